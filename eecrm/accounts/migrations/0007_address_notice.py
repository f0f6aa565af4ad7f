"""Who changes the address of an account could have a link to a new password sent there: the old address is told."""

from django.db import migrations, models

from access.rules import rules

TELL = """
BEGIN
    -- Nobody reads the mail of an account that has never set a password: its address was a mistake.
    IF OLD.email <> '' AND lower(OLD.email) <> lower(NEW.email) AND OLD.password NOT LIKE '!%' THEN
        INSERT INTO accounts_mail (kind, user_id, address, typed) VALUES ('address_changed', NEW.id, OLD.email, '');
    END IF;
    RETURN NULL;
END
"""

# The body of 0006, but for what the trigger above writes.
TO_ITS_ACCOUNT = """
CREATE OR REPLACE FUNCTION mail_to_its_account() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $rules$
BEGIN
    -- Whoever could choose where a link goes could set the password of any account.
    IF current_setting('role') = 'none' OR policy_allows('user.set_password') {or_from_a_trigger} THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'INSERT' AND (NEW.address <> '' OR NEW.user_id IS NULL) OR TG_OP = 'UPDATE' AND
       (NEW.kind, NEW.user_id, NEW.address, NEW.typed) IS DISTINCT FROM (OLD.kind, OLD.user_id, OLD.address, OLD.typed) THEN
        PERFORM refuse('mail_to_its_account', 'A link goes to the address of its account.');
    END IF;
    RETURN NEW;
END
$rules$
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_password_rules")]

    operations = [
        migrations.AlterField(
            "mail",
            "kind",
            models.CharField(
                choices=[
                    ("invitation", "Invitation"),
                    ("password_reset", "Password reset"),
                    ("address_changed", "Address changed"),
                ],
                max_length=20,
            ),
        ),
        migrations.RemoveConstraint("mail", "mail_kind_known"),
        migrations.AddConstraint(
            "mail",
            models.CheckConstraint(
                name="mail_kind_known",
                condition=models.Q(kind__in=["invitation", "password_reset", "address_changed"]),
                violation_error_message="This kind of mail doesn't exist.",
            ),
        ),
        migrations.RunSQL(
            TO_ITS_ACCOUNT.format(or_from_a_trigger="OR pg_trigger_depth() > 1"),
            TO_ITS_ACCOUNT.format(or_from_a_trigger=""),
        ),
        rules("account_tells_old_address", table="accounts_user", when="AFTER UPDATE OF email", body=TELL),
    ]
