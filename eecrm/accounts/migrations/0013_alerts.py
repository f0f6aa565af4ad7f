"""Alerts, which are found in the trail; exports, so that the trail has them; and the mails that tell of alerts."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models
from django.db.models import Q

from access.rules import immediate_foreign_keys, rules
from audit.recording import recorded

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
    "unusual_activity": "Unusual activity",
    "factor_set_up": "Second factor set up",
    "factor_replaced": "Second factor replaced",
    "factor_removed": "Second factor removed",
    "factor_reset": "Second factor reset",
    "recovery_codes": "New recovery codes",
    "codes_refused": "Wrong codes of a second factor",
}

# What became of a mail the worker alone says: nobody else says that managers were told, or when. People have sent again what was
# given up.
MAIL_OF_THE_WORKER = """
BEGIN
    IF current_setting('role') = 'none' OR pg_trigger_depth() > 1 THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'INSERT' THEN
        NEW.created_at := statement_timestamp();
        NEW.due_at := statement_timestamp();
        NEW.attempts := 0;
        NEW.sent_at := NULL;
        NEW.given_up_at := NULL;
        NEW.seen := '';
        RETURN NEW;
    END IF;
    IF NOT policy_allows('user.promote') THEN
        NEW.created_at := OLD.created_at;  -- by which links and notices of a day are counted
    END IF;
    NEW.sent_at := OLD.sent_at;
    NEW.seen := OLD.seen;
    IF OLD.given_up_at IS NOT NULL AND NEW.given_up_at IS NULL THEN
        NEW.due_at := statement_timestamp();
        NEW.attempts := 0;
    ELSE
        NEW.due_at := OLD.due_at;
        NEW.attempts := OLD.attempts;
        NEW.given_up_at := OLD.given_up_at;
    END IF;
    RETURN NEW;
END
"""


def kinds(*known: str) -> models.CheckConstraint:
    return models.CheckConstraint(
        name="mail_kind_known",
        condition=Q(kind__in=[*known]),
        violation_error_message="This kind of mail doesn't exist.",
    )


class Migration(migrations.Migration):
    dependencies = [("accounts", "0012_address_rules"), ("audit", "0006_watched")]

    operations = [
        migrations.CreateModel(
            name="Export",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("rows", models.PositiveIntegerField(help_text="How many accounts are in the file.")),
                ("made_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={"default_permissions": ()},
        ),
        migrations.CreateModel(
            name="Alert",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("deletions", "Many deletions"),
                            ("changes", "Many changes"),
                            ("accounts", "Many accounts made or given other rights"),
                            ("signatures", "Contract signed and reopened"),
                            ("reopenings", "Many contracts reopened"),
                            ("exports", "Many exports"),
                        ],
                        max_length=20,
                    ),
                ),
                ("actor_id", models.BigIntegerField(null=True, verbose_name="account")),
                ("actor_name", models.CharField(blank=True, max_length=150, verbose_name="username")),
                (
                    "subject",
                    models.CharField(
                        blank=True,
                        help_text="Its number, where it is about one.",
                        max_length=20,
                        verbose_name="contract",
                    ),
                ),
                ("count", models.PositiveIntegerField()),
                ("first_at", models.DateTimeField(verbose_name="from")),
                ("last_at", models.DateTimeField(verbose_name="until")),
                ("seen", models.TextField(editable=False)),
                ("previous_id", models.BigIntegerField(default=0)),
                (
                    "told_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="told"),
                ),
            ],
            options={
                "ordering": ["-id"],
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=["kind", "actor_id", "subject", "previous_id"],
                        name="alert_once",
                        nulls_distinct=False,
                        violation_error_message="This was told already.",
                    ),
                    models.CheckConstraint(
                        name="alert_kind_known",
                        condition=Q(kind__in=["deletions", "changes", "accounts", "signatures", "reopenings", "exports"]),
                        violation_error_message="This kind of alert doesn't exist.",
                    ),
                ],
            },
        ),
        recorded("accounts_export"),
        recorded("accounts_alert"),
        migrations.AddField(
            "mail",
            "alert",
            models.ForeignKey(
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="mails",
                to="accounts.alert",
            ),
        ),
        migrations.AddField("mail", "seen", models.TextField(blank=True, db_default="", editable=False)),
        migrations.AlterField(
            "mail",
            "kind",
            models.CharField(choices=list(KINDS.items()), max_length=20),
        ),
        migrations.RemoveConstraint("mail", "mail_kind_known"),
        migrations.AddConstraint("mail", kinds(*KINDS)),
        # Those before don't know these kinds: they are dropped on the way back.
        migrations.RunSQL(migrations.RunSQL.noop, "DELETE FROM accounts_mail WHERE kind IN ('unusual_activity', 'codes_refused')"),
        migrations.AddConstraint(
            "mail",
            models.CheckConstraint(
                name="mail_names_its_alert",
                condition=Q(alert=None) ^ Q(kind="unusual_activity"),
                violation_error_message="A mail about unusual activity names its alert, and no other does.",
            ),
        ),
        immediate_foreign_keys("accounts_mail", cascade=True),
        rules("mail_of_the_worker", table="accounts_mail", when="BEFORE INSERT OR UPDATE", body=MAIL_OF_THE_WORKER),
    ]
