from typing import TYPE_CHECKING

from django.apps import AppConfig

from access.database import database_role
from access.grants import LOGIN_ROLE, Grant, on_columns, on_functions, on_tables
from access.policy import MATRIX_ROLES, Role, Scope, scope_of
from access.row_security import about_me

if TYPE_CHECKING:
    from api.jobs import Job


MANAGERS = (database_role(Role.MANAGEMENT), database_role(Role.SUPERUSER))


class AccountsConfig(AppConfig):
    name = "accounts"

    # Whoever is in one of these sees personal data although their role is shown it masked (row *auditor*).
    managed_groups = {
        "PII": ("access.view_personal_data", "access.export_personal_data"),
        "PII_VIEW": ("access.view_personal_data",),
    }

    # What `sql/record.sql` puts on the trail, Django's own tables of accounts included.
    trail_tables = (
        "accounts_user",
        "accounts_tokensession",
        "accounts_externalidentity",
        "accounts_cover",
        "accounts_addresschange",
        "accounts_alert",
        "accounts_export",
        "accounts_mail",
        "accounts_user_groups",
        "accounts_user_user_permissions",
        "auth_group",
        "auth_group_permissions",
        "otp_totp_totpdevice",
        "otp_static_staticdevice",
        "otp_static_statictoken",
    )

    def ready(self) -> None:
        """However somebody logs in or out, Django says so: no way in is without its limits."""
        from django.contrib.auth.signals import user_logged_in, user_logged_out

        from accounts.admin_login import session_limits

        user_logged_in.connect(session_limits.begin)
        user_logged_out.connect(session_limits.end)

    def database_grants(self) -> set[Grant]:
        """What it takes to log in, to know one's colleagues by name, and to run the admin site."""
        return (
            self._of_login()
            | self._of_everyone()
            | self._of_admin_site()
            | self._of_second_factors()
            | self._of_alerts()
        )

    def _of_login(self) -> set[Grant]:
        """Before a login nobody's role is known, so that the login role does it; and the worker is nobody in particular."""
        from accounts.models import AddressChange, Cover, ExternalIdentity, KnownPlace, Mail, TokenSession, User

        logins = [model._meta.db_table for model in (TokenSession, KnownPlace)]
        grants = on_tables((LOGIN_ROLE,), "SELECT INSERT UPDATE DELETE", *logins)
        # Mails are queued by whoever has forgotten a password, too.
        grants |= on_tables((LOGIN_ROLE,), "SELECT INSERT DELETE", Mail._meta.db_table)
        grants |= on_columns(
            LOGIN_ROLE, "UPDATE", Mail, "due_at", "attempts", "sent_at", "given_up_at", "error", "seen"
        )
        read = [model._meta.db_table for model in (User, Cover, ExternalIdentity)]
        grants |= on_tables((LOGIN_ROLE,), "SELECT", *read, "accounts_user_groups", "django_migrations")
        # A login notes its time, and stores the password anew where the hasher has become stronger. A link sets it. Owners end
        # all their logins.
        grants |= on_columns(LOGIN_ROLE, "UPDATE", User, "last_login", "password", "logins_ended")
        # Owners ask for another address, and confirm it by the link that went there.
        grants |= on_tables((LOGIN_ROLE,), "SELECT INSERT DELETE", AddressChange._meta.db_table)
        grants |= on_columns(LOGIN_ROLE, "UPDATE", AddressChange, "confirmed_by")
        # Somebody whom the identity provider vouches for and nobody knows yet: an external account, and nothing else.
        return grants | on_functions((LOGIN_ROLE,), "enrol_identity(text,text)", "second_factor_of(bigint)")

    def _of_everyone(self) -> set[Grant]:
        """One's colleagues by name, one's own profile and logins."""
        from accounts.models import (
            COVER_FIELDS,
            PUBLIC_FIELDS,
            SESSION_FIELDS,
            Cover,
            ExternalIdentity,
            TokenSession,
            User,
        )

        grants = set[Grant]()
        between_me_and_another = f"{about_me('colleague_id')} OR {about_me('substitute_id')}"
        for role in map(database_role, MATRIX_ROLES):
            grants |= on_columns(role, "SELECT", User, *PUBLIC_FIELDS)
            grants |= on_columns(role, "UPDATE", User, "first_name", "last_name", rows=about_me("id"))
            grants |= on_columns(role, "SELECT", TokenSession, *SESSION_FIELDS, rows=about_me("user_id"))
            grants |= on_columns(role, "UPDATE", TokenSession, "revoked_at", rows=about_me("user_id"))
            grants |= on_columns(role, "SELECT", ExternalIdentity, "user", rows=about_me("user_id"))
            grants |= on_columns(role, "SELECT", Cover, *COVER_FIELDS, rows=between_me_and_another)
        grants |= on_functions(tuple(map(database_role, MATRIX_ROLES)), "own_ids()")
        # What the groups may: no secret, and `has_perm` asks it. Who is in them is another matter.
        everybody = (LOGIN_ROLE, *map(database_role, MATRIX_ROLES))
        tables = ("auth_group", "auth_permission", "auth_group_permissions", "django_content_type")
        return grants | on_tables(everybody, "SELECT", *tables)

    def _of_admin_site(self) -> set[Grant]:
        """Its sessions are the login role's alone (`accounts.admin_login.session_store`). Auditors' exports are on record too."""
        from accounts.models import AddressChange, ExternalIdentity, Mail

        visitors, identities = (*MANAGERS, database_role(Role.AUDITOR)), ExternalIdentity._meta.db_table
        memberships = "accounts_user_groups"
        grants = on_tables((LOGIN_ROLE,), "SELECT INSERT UPDATE DELETE", "django_session")
        grants |= on_tables(visitors, "SELECT", memberships, "accounts_user_user_permissions", identities)
        grants |= on_tables(visitors, "SELECT", "django_admin_log")
        grants |= on_tables(visitors, "INSERT", "django_admin_log", rows=about_me("user_id"))
        grants |= on_tables(MANAGERS, "INSERT DELETE", identities, memberships)
        grants |= on_tables(visitors, "SELECT", AddressChange._meta.db_table)
        grants |= on_tables(MANAGERS, "DELETE", AddressChange._meta.db_table)
        for role in MANAGERS:
            grants |= on_columns(role, "UPDATE", AddressChange, "confirmed_by")
        grants |= on_functions(MANAGERS, "address_objection(bigint)")
        return grants | on_tables(MANAGERS, "INSERT", Mail._meta.db_table)

    def _of_second_factors(self) -> set[Grant]:
        """Their secrets are the login role's alone. Managers take them away, knowing no more than whose they are."""
        from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
        from django_otp.plugins.otp_totp.models import TOTPDevice

        tables = [model._meta.db_table for model in (TOTPDevice, StaticDevice, StaticToken)]
        grants = on_tables((LOGIN_ROLE,), "SELECT INSERT UPDATE DELETE", *tables)
        for model in (TOTPDevice, StaticDevice):
            grants |= on_tables(MANAGERS, "DELETE", model._meta.db_table)
            for role in MANAGERS:
                grants |= on_columns(role, "SELECT", model, "user")
        return grants

    def _of_alerts(self) -> set[Grant]:
        """The worker stores them, and who reads the trail reads them. Nobody changes or deletes one."""
        from accounts.models import Alert, Export

        grants = on_tables((LOGIN_ROLE,), "SELECT INSERT", Alert._meta.db_table)
        readers = [database_role(role) for role in MATRIX_ROLES if scope_of("trail", "list", role) is Scope.ALL]
        grants |= on_tables(tuple(readers), "SELECT", Alert._meta.db_table)
        # Auditors too: a group may let them export.
        return grants | on_tables((*MANAGERS, database_role(Role.AUDITOR)), "SELECT INSERT", Export._meta.db_table)

    def background_jobs(self) -> "list[Job]":
        """What `manage.py run_worker` does for this app."""
        from accounts.outbox import alerts
        from accounts.outbox.delivery import deliver
        from accounts.outbox.purging import purge_expired
        from api.jobs import Every

        return [Every(alerts.ALERT_INTERVAL_SECONDS, alerts.look), deliver, Every(60 * 60, purge_expired)]
