"""Passwords are set by their owners alone, and links go to the address of their account, whose change is told."""

from django.db import migrations, models
from django.db.models import Q

from access.migration_operations import rules

PASSWORD_BY_LINK = """
BEGIN
    -- Of a change the grants decide, by column; of a new row they can't. An unusable hash starts with an exclamation mark.
    IF current_setting('role') <> 'none' AND NEW.password NOT LIKE '!%' AND NOT policy_allows('user.set_password') THEN
        PERFORM refuse('user_password_by_link', 'Nobody sets another person''s password: send a link instead.');
    END IF;
    RETURN NEW;
END
"""

TO_ITS_ACCOUNT = """
BEGIN
    -- Whoever could choose where a link goes could set the password of any account.
    -- Deeper, a trigger queues what bears no link.
    IF current_setting('role') = 'none' OR policy_allows('user.set_password') OR pg_trigger_depth() > 1 THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'INSERT' AND (NEW.address <> '' OR NEW.user_id IS NULL) OR TG_OP = 'UPDATE' AND
       (NEW.kind, NEW.user_id, NEW.address, NEW.typed) IS DISTINCT FROM (OLD.kind, OLD.user_id, OLD.address, OLD.typed) THEN
        PERFORM refuse('mail_to_its_account', 'A link goes to the address of its account.');
    END IF;
    RETURN NEW;
END
"""


# Who changes the address of an account could have a link to a new password sent there: the old address is told.
TELL = """
BEGIN
    -- Nobody reads the mail of an account that has never set a password: its address was a mistake.
    IF OLD.email <> '' AND lower(OLD.email) <> lower(NEW.email) AND OLD.password NOT LIKE '!%' THEN
        INSERT INTO accounts_mail (kind, user_id, address, typed) VALUES ('address_changed', NEW.id, OLD.email, '');
    END IF;
    RETURN NULL;
END
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_cover_rules")]

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
        migrations.RemoveConstraint("mail", "mail_has_a_recipient"),
        # What somebody typed has no other shape: unanswered requests are dropped in both directions, and asked again.
        migrations.RunSQL(*["DELETE FROM accounts_mail WHERE user_id IS NULL"] * 2),
        migrations.AddField("mail", "typed", models.CharField(blank=True, default="", editable=False, max_length=254)),
        migrations.AlterModelOptions("mail", {"ordering": ["-id"], "base_manager_name": "objects"}),
        migrations.AddConstraint(
            "mail",
            models.CheckConstraint(
                name="mail_has_a_recipient",
                condition=Q(user__isnull=False, typed="") | (Q(user=None, kind="password_reset") & ~Q(typed="")),
                violation_error_message="A mail goes to an account, or answers what was typed into the reset page.",
            ),
        ),
        rules("user_password_by_link", table="accounts_user", when="BEFORE INSERT", body=PASSWORD_BY_LINK),
        rules("mail_to_its_account", table="accounts_mail", when="BEFORE INSERT OR UPDATE", body=TO_ITS_ACCOUNT),
        rules("account_tells_old_address", table="accounts_user", when="AFTER UPDATE OF email", body=TELL),
    ]
