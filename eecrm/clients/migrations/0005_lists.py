"""An index for each order of the list, and for what narrows it down (docs/adr/0016)."""

import django.db.models.deletion
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models

from access.migration_operations import immediate_foreign_keys


class Migration(migrations.Migration):
    dependencies = [("clients", "0004_reasons")]

    operations = [
        migrations.AddIndex("client", models.Index(models.F("created_at"), models.F("id"), name="client_created_at")),
        migrations.AddIndex("client", models.Index(models.F("last_name"), models.F("id"), name="client_last_name")),
        migrations.AddIndex(
            "client",
            models.Index(
                django.db.models.functions.text.Lower("company_name"),
                models.F("id"),
                name="client_company_name_lower",
            ),
        ),
        migrations.AddIndex(
            "client",
            models.Index(
                models.F("id"), models.F("created_at"), models.F("updated_at"), models.F("status"), name="client_list"
            ),
        ),
        migrations.AddConstraint(
            "client", models.UniqueConstraint(fields=("sales_contact", "id"), name="client_sales_contact")
        ),
        migrations.AlterField(
            "client",
            "sales_contact",
            models.ForeignKey(
                settings.AUTH_USER_MODEL,
                db_index=False,
                limit_choices_to={"is_active": True, "is_superuser": False, "role": "sales"},
                on_delete=django.db.models.deletion.PROTECT,
                related_name="clients",
            ),
        ),
        immediate_foreign_keys("clients_client"),  # Django has made it anew
    ]
