"""Changes django_otp's tables, and makes PostgreSQL itself check foreign keys and cascade deletions."""

from django.db import migrations

import accounts.models.second_factor
from access.migration_operations import immediate_foreign_keys

# Each account has at most one confirmed authenticator app and one set of recovery codes.
# An encrypted seed (Fernet, 20 bytes) takes 120 characters, so django_otp's column of 80 characters is widened.
SECOND_FACTOR = """
CREATE UNIQUE INDEX second_factor_one_app ON otp_totp_totpdevice (user_id) WHERE confirmed;
CREATE UNIQUE INDEX second_factor_one_set_of_codes ON otp_static_staticdevice (user_id);
ALTER TABLE otp_totp_totpdevice ALTER COLUMN key TYPE varchar(200);
"""
WITHOUT_SECOND_FACTOR = """
ALTER TABLE otp_totp_totpdevice ALTER COLUMN key TYPE varchar(80);
DROP INDEX second_factor_one_app, second_factor_one_set_of_codes;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("otp_static", "0003_add_timestamps"),
        ("otp_totp", "0003_add_timestamps"),
    ]

    operations = [
        migrations.CreateModel(
            name="AuthenticatorApp",
            fields=[],
            options={
                "proxy": True,
                "default_permissions": (),
                "indexes": [],
                "constraints": [],
            },
            bases=(accounts.models.second_factor.ShortPause, "otp_totp.totpdevice"),
        ),
        migrations.CreateModel(
            name="RecoveryCodes",
            fields=[],
            options={
                "proxy": True,
                "default_permissions": (),
                "indexes": [],
                "constraints": [],
            },
            bases=(accounts.models.second_factor.ShortPause, "otp_static.staticdevice"),
        ),
        migrations.RunSQL(SECOND_FACTOR, WITHOUT_SECOND_FACTOR),
        # PostgreSQL deletes these tables' rows with the account, so the deleting user needs no right to read them.
        immediate_foreign_keys(
            "accounts_addresschange",
            "accounts_externalidentity",
            "accounts_knownplace",
            "accounts_mail",
            "accounts_tokensession",
            "accounts_user_groups",
            "accounts_user_user_permissions",
            "otp_static_staticdevice",
            "otp_static_statictoken",
            "otp_totp_totpdevice",
            cascade=True,
        ),
        # An account can't be deleted while a leave cover or an entry of the admin site's log refers to the account.
        immediate_foreign_keys("accounts_cover", "django_admin_log"),
    ]
