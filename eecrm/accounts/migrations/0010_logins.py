"""Second factors: encrypted seeds, resets that end the password, mails. Logins that are over stay over."""

from django.db import migrations, models

import accounts.models.second_factor
from access.rules import immediate_foreign_keys, rules

KINDS = {
    "invitation": "Invitation",
    "password_reset": "Password reset",
    "address_changed": "Address changed",
    "factor_set_up": "Second factor set up",
    "factor_replaced": "Second factor replaced",
    "factor_removed": "Second factor removed",
    "factor_reset": "Second factor reset",
    "recovery_codes": "New recovery codes",
}

# The statement that logs somebody in asks this after it has locked the account: VOLATILE, so that it sees what others have
# committed by then, and not what the statement saw when it began.
SECOND_FACTOR_OF = """
CREATE FUNCTION second_factor_of(account bigint) RETURNS bigint LANGUAGE plpgsql VOLATILE STRICT SET search_path = eecrm, pg_temp
AS $factor$ BEGIN RETURN (SELECT id FROM otp_totp_totpdevice WHERE user_id = account AND confirmed); END $factor$;
"""

# A thief who knows the password would be the first to set up the next second factor.
RESET = """
BEGIN
    -- Owners remove their own as the login role, after a code.
    IF current_setting('role') = 'none' OR NOT OLD.confirmed THEN
        RETURN NULL;
    END IF;
    -- A trigger of accounts ends their logins with it. The account may be gone itself, and its factor with it.
    UPDATE accounts_user SET password = unusable_password() WHERE id = OLD.user_id;
    IF FOUND THEN
        INSERT INTO accounts_mail (kind, user_id, address, typed) VALUES ('factor_reset', OLD.user_id, '', '');
    END IF;
    RETURN NULL;
END
"""

# Each role may end its own logins: what brings one back is a login, which is the login role's.
STAYS_ENDED = """
BEGIN
    IF current_setting('role') <> 'none' THEN
        NEW.revoked_at := coalesce(OLD.revoked_at, NEW.revoked_at);
    END IF;
    RETURN NEW;
END
"""


def seal_seeds(apps, schema_editor):
    from accounts.gate import seeds

    model = apps.get_model("otp_totp", "TOTPDevice")
    model.objects.filter(confirmed=False).delete()
    for device in model.objects.all():
        model.objects.filter(pk=device.pk).update(key=seeds.seal(bytes.fromhex(device.key)))


def unseal_seeds(apps, schema_editor):
    from accounts.gate import seeds

    model = apps.get_model("otp_totp", "TOTPDevice")
    for device in model.objects.all():
        seed = seeds.unseal(device.key)
        if seed is not None:
            model.objects.filter(pk=device.pk).update(key=seed.hex())


class Migration(migrations.Migration):
    dependencies = [("accounts", "0009_known_places")]

    operations = [
        migrations.CreateModel(
            name="AuthenticatorApp",
            fields=[],
            options={"proxy": True, "default_permissions": (), "indexes": [], "constraints": []},
            bases=(accounts.models.second_factor.ShortPause, "otp_totp.totpdevice"),
        ),
        migrations.CreateModel(
            name="RecoveryCodes",
            fields=[],
            options={"proxy": True, "default_permissions": (), "indexes": [], "constraints": []},
            bases=(accounts.models.second_factor.ShortPause, "otp_static.staticdevice"),
        ),
        immediate_foreign_keys("accounts_knownplace", cascade=True),
        migrations.RunSQL(SECOND_FACTOR_OF, "DROP FUNCTION second_factor_of(bigint)"),
        # What Fernet makes of 20 bytes has 120 characters, and django_otp's own column takes 80.
        migrations.RunSQL(
            "ALTER TABLE otp_totp_totpdevice ALTER COLUMN key TYPE varchar(200)",
            "ALTER TABLE otp_totp_totpdevice ALTER COLUMN key TYPE varchar(80)",
        ),
        migrations.RunPython(seal_seeds, unseal_seeds),
        rules("login_stays_ended", table="accounts_tokensession", when="BEFORE UPDATE OF revoked_at", body=STAYS_ENDED),
        rules("totp_reset_ends_password", table="otp_totp_totpdevice", when="AFTER DELETE", body=RESET),
        migrations.AlterField("mail", "kind", models.CharField(choices=list(KINDS.items()), max_length=20)),
        migrations.RemoveConstraint("mail", "mail_kind_known"),
        migrations.AddConstraint(
            "mail",
            models.CheckConstraint(
                name="mail_kind_known",
                condition=models.Q(kind__in=list(KINDS)),
                violation_error_message="This kind of mail doesn't exist.",
            ),
        ),
    ]
