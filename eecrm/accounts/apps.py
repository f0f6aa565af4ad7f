from typing import TYPE_CHECKING

from django.apps import AppConfig

from access.database import database_role
from access.grants import LOGIN_ROLE, Grant, on_columns, on_tables
from access.policy import COLUMNS, Role

if TYPE_CHECKING:
    from accounts.outbox.jobs import Job


class AccountsConfig(AppConfig):
    name = "accounts"

    # Whoever is in one of these sees personal data although their role is shown it masked (row *auditor*).
    managed_groups = {
        "PII": ("access.view_personal_data", "access.export_personal_data"),
        "PII_VIEW": ("access.view_personal_data",),
    }

    def ready(self) -> None:
        """However somebody logs in or out, Django says so: no way in is without its limits."""
        from django.contrib.auth.signals import user_logged_in, user_logged_out

        from accounts.gate import sessions

        user_logged_in.connect(sessions.begin)
        user_logged_out.connect(sessions.end)

    def database_grants(self) -> set[Grant]:
        """What it takes to log in, to know one's colleagues by name, and to run the admin site."""
        from accounts.models import (
            COVER_FIELDS,
            PUBLIC_FIELDS,
            SESSION_FIELDS,
            Cover,
            ExternalIdentity,
            Mail,
            TokenSession,
            User,
        )

        everyone = tuple(database_role(role) for role in COLUMNS)
        managers = (database_role(Role.MANAGEMENT), database_role(Role.SUPERUSER))
        admin_site = (*managers, database_role(Role.AUDITOR))
        sessions, identities = TokenSession._meta.db_table, ExternalIdentity._meta.db_table

        # Logging in: before it nobody's role is known, so that the login role does it.
        grants = on_tables((LOGIN_ROLE,), "SELECT", User._meta.db_table, "django_migrations")
        grants |= on_tables((LOGIN_ROLE,), "SELECT INSERT UPDATE DELETE", sessions)
        # The worker is nobody in particular; mails are queued by whoever has forgotten a password, too.
        grants |= on_tables((LOGIN_ROLE,), "SELECT INSERT DELETE", Mail._meta.db_table)
        grants |= on_columns(LOGIN_ROLE, "UPDATE", Mail, "due_at", "attempts", "sent_at", "given_up_at", "error")
        grants |= on_tables(
            (LOGIN_ROLE,),
            "SELECT",
            identities,
            "accounts_user_groups",
            Cover._meta.db_table,
            # How long a password must be depends on whether there is a second factor.
            "otp_totp_totpdevice",
            "otp_static_staticdevice",
        )
        # Somebody whom the identity provider vouches for and nobody knows yet: an external account, and nothing else.
        grants |= {Grant(LOGIN_ROLE, "EXECUTE", "FUNCTION enrol_identity(text,text)")}
        # What the groups may: no secret, and `has_perm` asks it. Who is in them is another matter.
        grants |= on_tables(
            (LOGIN_ROLE, *everyone),
            "SELECT",
            "auth_group",
            "auth_permission",
            "auth_group_permissions",
            "django_content_type",
        )
        # A login notes its time, and stores the password anew where the hasher has become stronger. A link sets it.
        grants |= on_columns(LOGIN_ROLE, "UPDATE", User, "last_login", "password")

        for role in everyone:
            grants |= on_columns(role, "SELECT", User, *PUBLIC_FIELDS)
            grants |= on_columns(role, "UPDATE", User, "first_name", "last_name", "email")
            grants |= on_columns(role, "SELECT", TokenSession, *SESSION_FIELDS)
            grants |= on_columns(role, "UPDATE", TokenSession, "revoked_at")
            grants |= on_columns(role, "SELECT", ExternalIdentity, "user")
            grants |= on_columns(role, "UPDATE", ExternalIdentity, "not_before")
            grants |= on_columns(role, "SELECT", Cover, *COVER_FIELDS)

        # The admin site: its sessions outlive the transaction in which a role is entered.
        grants |= on_tables((LOGIN_ROLE, *admin_site), "SELECT INSERT UPDATE DELETE", "django_session")
        grants |= on_tables(
            admin_site,
            "SELECT",
            "accounts_user_groups",
            "accounts_user_user_permissions",
            "django_admin_log",
        )
        grants |= on_tables(admin_site, "SELECT", identities)
        grants |= on_tables(managers, "INSERT DELETE", identities)
        grants |= on_tables(admin_site, "INSERT", "django_admin_log")  # auditors' exports are on record too
        grants |= on_tables(managers, "INSERT DELETE", "accounts_user_groups")
        grants |= on_tables(managers, "INSERT", Mail._meta.db_table)
        return grants | self._second_factors(managers)

    def _second_factors(self, managers: tuple[str, ...]) -> set[Grant]:
        """Their secrets are the login role's alone. Managers take them away, knowing no more than whose they are."""
        from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
        from django_otp.plugins.otp_totp.models import TOTPDevice

        tables = [model._meta.db_table for model in (TOTPDevice, StaticDevice, StaticToken)]
        grants = on_tables((LOGIN_ROLE,), "SELECT INSERT UPDATE DELETE", *tables)
        for model in (TOTPDevice, StaticDevice):
            grants |= on_tables(managers, "DELETE", model._meta.db_table)
            for role in managers:
                grants |= on_columns(role, "SELECT", model, "user")
        return grants

    def background_jobs(self) -> "list[Job]":
        """What `manage.py run_worker` does for this app."""
        from accounts.outbox.delivery import deliver
        from accounts.outbox.jobs import Every
        from accounts.outbox.purging import purge

        return [deliver, Every(60 * 60, purge)]
