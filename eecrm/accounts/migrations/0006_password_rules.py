"""Passwords are set by their owners alone, and links go to the address of their account."""

from django.db import migrations, models
from django.db.models import Q

from access.rules import rules

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
    IF current_setting('role') = 'none' OR policy_allows('user.set_password') THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'INSERT' AND (NEW.address <> '' OR NEW.user_id IS NULL) OR TG_OP = 'UPDATE' AND
       (NEW.kind, NEW.user_id, NEW.address, NEW.typed) IS DISTINCT FROM (OLD.kind, OLD.user_id, OLD.address, OLD.typed) THEN
        PERFORM refuse('mail_to_its_account', 'A link goes to the address of its account.');
    END IF;
    RETURN NEW;
END
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_cover_rules")]

    operations = [
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
    ]
