from django.db import migrations

from access.migration_operations import immediate_foreign_keys, rules

RESET_RULES = """
BEGIN
    -- Owners remove their own as the login role, after a code.
    IF current_setting('role') = 'none' THEN
        RETURN OLD;
    END IF;
    IF OLD.user_id::text = current_setting('eecrm.user_id', true) THEN
        PERFORM refuse('second_factor_not_oneself', 'Nobody resets their own second factor.');
    END IF;
    IF EXISTS (SELECT FROM accounts_user WHERE id = OLD.user_id AND is_superuser) AND NOT policy_allows('user.promote') THEN
        PERFORM refuse('user_superuser_guarded', 'Only a superuser resets the second factor of a superuser.');
    END IF;
    RETURN OLD;
END
"""

ONE_EACH = """
CREATE UNIQUE INDEX second_factor_one_app ON otp_totp_totpdevice (user_id) WHERE confirmed;
CREATE UNIQUE INDEX second_factor_one_set_of_codes ON otp_static_staticdevice (user_id);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_identity_rules"),
        ("otp_static", "0003_add_timestamps"),
        ("otp_totp", "0003_add_timestamps"),
    ]

    operations = [
        rules("totp_reset_rules", table="otp_totp_totpdevice", when="BEFORE DELETE", body=RESET_RULES),
        rules("codes_reset_rules", table="otp_static_staticdevice", when="BEFORE DELETE", body=RESET_RULES),
        # They go with their account, and recovery codes with their set: whoever deletes those needs no right to read.
        immediate_foreign_keys(
            "otp_totp_totpdevice", "otp_static_staticdevice", "otp_static_statictoken", cascade=True
        ),
        migrations.RunSQL(ONE_EACH, "DROP INDEX second_factor_one_app, second_factor_one_set_of_codes"),
    ]
