import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Now

from access.migration_operations import rules

FORGET = """
BEGIN
    IF NEW.password IS DISTINCT FROM OLD.password THEN
        DELETE FROM accounts_knownplace WHERE user_id = NEW.id;
    END IF;
    RETURN NULL;
END
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0008_row_security")]

    operations = [
        migrations.CreateModel(
            name="KnownPlace",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("place", models.CharField(max_length=50)),
                ("used_at", models.DateTimeField(db_default=Now())),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="known_places",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={"ordering": ["-used_at"], "default_permissions": ()},
        ),
        migrations.AddConstraint(
            "knownplace", models.UniqueConstraint(fields=("user", "place"), name="known_place_once")
        ),
        rules("account_forgets_places", table="accounts_user", when="AFTER UPDATE OF password", body=FORGET),
    ]
