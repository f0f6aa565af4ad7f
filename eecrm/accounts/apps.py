from typing import TYPE_CHECKING

from django.apps import AppConfig

from access.database import database_role
from access.grants import LOGIN_ROLE, Grant, on_columns, on_tables
from access.policy import COLUMNS, Role

if TYPE_CHECKING:
    from accounts.outbox.jobs import Job


class AccountsConfig(AppConfig):
    name = "accounts"

    def database_grants(self) -> set[Grant]:
        """What it takes to log in, to know one's colleagues by name, and to run the admin site."""
        from accounts.models import PUBLIC_FIELDS, SESSION_FIELDS, Cover, Mail, TokenSession, User

        everyone = tuple(database_role(role) for role in COLUMNS)
        managers = (database_role(Role.MANAGEMENT), database_role(Role.SUPERUSER))
        admin_site = (*managers, database_role(Role.AUDITOR))
        sessions = TokenSession._meta.db_table

        # Logging in: before it nobody's role is known, so that the login role does it.
        grants = on_tables((LOGIN_ROLE,), "SELECT", User._meta.db_table, "django_migrations")
        grants |= on_tables((LOGIN_ROLE,), "SELECT INSERT UPDATE DELETE", sessions)
        # The worker is nobody in particular; mails are queued by whoever has forgotten a password, too.
        grants |= on_tables((LOGIN_ROLE,), "SELECT INSERT DELETE", Mail._meta.db_table)
        grants |= on_columns(LOGIN_ROLE, "UPDATE", Mail, "due_at", "attempts", "sent_at", "given_up_at", "error")
        grants |= on_tables(
            (LOGIN_ROLE,),
            "SELECT",
            "accounts_externalidentity",
            "accounts_user_groups",
            "auth_group",
            Cover._meta.db_table,
            # How long a password must be depends on whether there is a second factor.
            "otp_totp_totpdevice",
            "otp_static_staticdevice",
        )
        # A login notes its time, and stores the password anew where the hasher has become stronger. A link sets it.
        grants |= on_columns(LOGIN_ROLE, "UPDATE", User, "last_login", "password")

        for role in everyone:
            grants |= on_columns(role, "SELECT", User, *PUBLIC_FIELDS)
            grants |= on_columns(role, "UPDATE", User, "first_name", "last_name", "email")
            grants |= on_columns(role, "SELECT", TokenSession, *SESSION_FIELDS)
            grants |= on_columns(role, "UPDATE", TokenSession, "revoked_at")

        # The admin site: its sessions outlive the transaction in which a role is entered.
        grants |= on_tables((LOGIN_ROLE, *admin_site), "SELECT INSERT UPDATE DELETE", "django_session")
        grants |= on_tables(
            admin_site,
            "SELECT",
            "django_content_type",
            "auth_permission",
            "auth_group",
            "accounts_user_groups",
            "accounts_user_user_permissions",
            "django_admin_log",
        )
        grants |= on_tables(managers, "INSERT", "django_admin_log")
        grants |= on_tables(managers, "INSERT", Mail._meta.db_table)
        return grants

    def background_jobs(self) -> "list[Job]":
        """What `manage.py run_worker` does for this app."""
        from accounts.outbox.delivery import deliver
        from accounts.outbox.jobs import Every
        from accounts.outbox.purging import purge

        return [deliver, Every(60 * 60, purge)]
