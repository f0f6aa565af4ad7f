"""Accounts, and what belongs to them, on the trail.

No news is what says no more than that somebody was here, or that a mail is tried again: the log tells it. A recovery
code that is used up is a deleted row, and a login an inserted one.
"""

from django.db import migrations

from audit.trail.recording import recorded

_THROTTLED = ("throttling_failure_timestamp", "throttling_failure_count", "last_used_at")


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_password_rules"), ("audit", "0001_trail")]

    operations = [
        recorded("accounts_user", no_news=("last_login", "display_name", "logins_ended"), secrets=("password",)),
        # A refresh changes these, and nothing else.
        recorded(
            "accounts_tokensession", no_news=("refresh_jti", "previous_jti", "rotated_at", "expires_at", "address")
        ),
        recorded("accounts_externalidentity"),
        recorded("accounts_cover"),
        recorded("accounts_mail", no_news=("due_at", "attempts", "error"), secrets=("typed",)),
        recorded("accounts_user_groups"),
        recorded("accounts_user_user_permissions"),
        recorded("auth_group"),
        recorded("auth_group_permissions"),
        recorded("otp_totp_totpdevice", no_news=("last_t", "drift", *_THROTTLED), secrets=("key",)),
        recorded("otp_static_staticdevice", no_news=_THROTTLED),
        recorded("otp_static_statictoken", secrets=("token",)),
    ]
