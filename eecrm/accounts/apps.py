from django.apps import AppConfig

from access.database import database_role
from access.grants import LOGIN_ROLE, Grant, on_columns, on_tables
from access.policy import COLUMNS, Role


class AccountsConfig(AppConfig):
    name = "accounts"

    # Whoever is in one of these sees personal data although their role is shown it masked (row *auditor*).
    managed_groups = {
        "PII": ("access.view_personal_data", "access.export_personal_data"),
        "PII_VIEW": ("access.view_personal_data",),
    }

    def database_grants(self) -> set[Grant]:
        """What it takes to log in, to know one's colleagues by name, and to run the admin site."""
        from accounts.models import COVER_FIELDS, PUBLIC_FIELDS, SESSION_FIELDS, Cover, Mail, TokenSession, User

        everyone = tuple(database_role(role) for role in COLUMNS)
        managers = (database_role(Role.MANAGEMENT), database_role(Role.SUPERUSER))
        admin_site = (*managers, database_role(Role.AUDITOR))
        sessions = TokenSession._meta.db_table

        # Logging in: before it nobody's role is known, so that the login role does it.
        grants = on_tables((LOGIN_ROLE,), "SELECT", User._meta.db_table, "django_migrations")
        grants |= on_tables((LOGIN_ROLE,), "SELECT INSERT UPDATE", sessions, Mail._meta.db_table)
        grants |= on_tables(
            (LOGIN_ROLE,),
            "SELECT",
            "accounts_externalidentity",
            "accounts_user_groups",
            Cover._meta.db_table,
        )
        # What the groups may: no secret, and `has_perm` asks it. Who is in them is another matter.
        grants |= on_tables(
            (LOGIN_ROLE, *everyone),
            "SELECT",
            "auth_group",
            "auth_permission",
            "auth_group_permissions",
            "django_content_type",
        )
        # A login notes its time, and stores the password anew where the hasher has become stronger.
        grants |= on_columns(LOGIN_ROLE, "UPDATE", User, "last_login", "password")

        for role in everyone:
            grants |= on_columns(role, "SELECT", User, *PUBLIC_FIELDS)
            grants |= on_columns(role, "UPDATE", User, "first_name", "last_name", "email")
            grants |= on_columns(role, "SELECT", TokenSession, *SESSION_FIELDS)
            grants |= on_columns(role, "UPDATE", TokenSession, "revoked_at")
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
        grants |= on_tables(managers, "INSERT", "django_admin_log")
        grants |= on_tables(managers, "INSERT DELETE", "accounts_user_groups")
        grants |= on_tables(managers, "SELECT INSERT UPDATE", Mail._meta.db_table)
        return grants
