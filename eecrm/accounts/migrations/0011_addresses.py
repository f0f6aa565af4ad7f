"""One spelling of names and addresses; whether an address is confirmed, and another one that waits to be."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Lower, Now

from access.rules import rules
from accounts.usernames import UsernameField, username_checked
from api.email_addresses import AddressField, address_checked
from api.person_names import PersonNameField, names_checked
from api.spelling import SIGNS

# As fields and triggers would have written it.
STORED = """
UPDATE accounts_user SET
    email = substring(email FROM '^.*@') || lower(substring(email FROM '[^@]*$')),
    first_name = normalize(btrim(first_name)), last_name = normalize(btrim(last_name))
 WHERE email LIKE '%@%';
UPDATE accounts_user AS account SET
    is_claimed = password NOT LIKE '!%'
        OR EXISTS (SELECT FROM accounts_externalidentity WHERE user_id = account.id),
    email_confirmed_at = CASE WHEN password NOT LIKE '!%' AND email <> '' THEN now() END;
"""

# Two groups that look alike are one to whoever ticks a box: PII and ＰＩＩ, or PII and one sign more that nobody sees.
GROUP_NAME_RULES = rf"""
BEGIN
    IF NEW.name <> normalize(NEW.name, NFKC) OR NEW.name ~ '^$|^ | $|  |[{SIGNS}]' THEN
        PERFORM refuse('group_name_plain',
                       'The name of a group has one spelling (NFKC), single spaces, and no characters that nobody sees.');
    END IF;
    RETURN NEW;
END
"""

KINDS = {
    "invitation": "Invitation",
    "password_reset": "Password reset",
    "address_confirmation": "Confirmation of an address",
    "address_notice": "Notice of another address",
    "address_changed": "Address changed",
    "identity_bound": "Identity bound",
    "identity_removed": "Identity taken away",
    "manager_unmade": "No manager's account any more",
    "account_news": "News of accounts",
    "factor_set_up": "Second factor set up",
    "factor_replaced": "Second factor replaced",
    "factor_removed": "Second factor removed",
    "factor_reset": "Second factor reset",
    "recovery_codes": "New recovery codes",
}
_GONE = (
    "DELETE FROM accounts_mail WHERE kind IN"
    " ('address_changed', 'address_confirmation', 'address_notice', 'account_news', 'manager_unmade')"
)


def to_user(**options: object) -> models.ForeignKey:
    return models.ForeignKey(to=settings.AUTH_USER_MODEL, on_delete=django.db.models.deletion.CASCADE, **options)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0010_logins"), ("audit", "0004_sync")]

    operations = [
        migrations.RunSQL(_GONE, _GONE),
        migrations.AddField("user", "email_confirmed_at", models.DateTimeField("email confirmed", editable=False, null=True)),
        migrations.AddField(
            "user",
            "is_claimed",
            models.BooleanField(
                db_default=False,
                default=False,
                editable=False,
                help_text="Whether its owner has ever had a password or an identity: from then on its address is theirs.",
            ),
        ),
        migrations.AddField(
            "user", "deactivated_at", models.DateTimeField("deactivated", editable=False, null=True)
        ),
        migrations.AlterField("user", "email", AddressField(blank=True)),
        migrations.AlterField("user", "first_name", PersonNameField(blank=True, max_length=150)),
        migrations.AlterField("user", "last_name", PersonNameField(blank=True, max_length=150)),
        migrations.AlterField(
            "user",
            "username",
            UsernameField(
                error_messages={"unique": "An account with this username exists already."},
                help_text="At most 150 characters: letters, digits and . @ + - _ only, as anna.smith. Case makes no difference.",
                max_length=150,
                unique=True,
            ),
        ),
        migrations.RunSQL(STORED, migrations.RunSQL.noop),
        migrations.AddConstraint("user", username_checked("user_username_form")),
        rules("group_name_rules", table="auth_group", when="BEFORE INSERT OR UPDATE OF name", body=GROUP_NAME_RULES),
        migrations.AddConstraint("user", names_checked("user_names_plain", "first_name", "last_name")),
        migrations.AddConstraint("user", address_checked("user_email_form", "email", may_be_empty=True)),
        migrations.AlterField("mail", "kind", models.CharField(choices=list(KINDS.items()), max_length=20)),
        migrations.AlterField(
            "mail",
            "address",
            AddressField(blank=True, help_text="Where it goes instead of the account's own address."),
        ),
        migrations.RemoveConstraint("mail", "mail_kind_known"),
        migrations.AddConstraint(
            "mail",
            models.CheckConstraint(
                name="mail_kind_known",
                condition=models.Q(kind__in=list(KINDS)),
                violation_error_message="This kind of mail doesn't exist.",
            ),
        ),
        migrations.AddIndex(
            "mail",
            models.Index(
                Lower("address"),
                models.F("created_at"),
                condition=models.Q(("address", ""), _negated=True),
                name="mail_address",
            ),
        ),
        migrations.CreateModel(
            name="AddressChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("address", AddressField()),
                ("created_at", models.DateTimeField(db_default=Now())),
                ("asked_by", to_user(help_text="Empty: a command on the server.", null=True, related_name="+")),
                ("confirmed_by", to_user(null=True, related_name="+")),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="address_change",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.AddConstraint("addresschange", address_checked("address_change_form", "address")),
    ]
