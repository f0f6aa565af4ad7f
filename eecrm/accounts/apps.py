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

    # Maps a group's name to its permissions, for example `PII_VIEW` -> `access.view_personal_data`.
    # Auditors see stars instead of personal data, unless they are members of one of these groups.
    managed_groups = {
        "PII": ("access.view_personal_data", "access.export_personal_data"),
        "PII_VIEW": ("access.view_personal_data",),
    }

    # Tables whose changes a trigger writes to the audit trail (`sql/record.sql`).
    # Tables of Django and django_otp are listed here too, because these packages know nothing of the audit trail.
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
        """Connects the session limits to Django's login and logout signals.

        The limits then apply to every way to log in.
        """
        from django.contrib.auth.signals import user_logged_in, user_logged_out

        from accounts.admin_login import session_limits

        user_logged_in.connect(session_limits.begin)
        user_logged_out.connect(session_limits.end)

    def database_grants(self) -> set[Grant]:
        """Returns the database grants of this app: who may read and write its tables."""
        return (
            self._login_grants()
            | self._common_grants()
            | self._admin_site_grants()
            | self._second_factor_grants()
            | self._alert_grants()
        )

    def _login_grants(self) -> set[Grant]:
        """Returns the database grants of the login role (`eecrm_app`).

        Logins run in this role, because the caller's role isn't known yet. The worker runs in this role, too.
        """
        from accounts.models import (
            AddressChange,
            Cover,
            ExternalIdentity,
            KnownPlace,
            LinkRequest,
            Mail,
            TokenSession,
            User,
        )

        logins = [model._meta.db_table for model in (TokenSession, KnownPlace)]
        grants = on_tables((LOGIN_ROLE,), "SELECT INSERT UPDATE DELETE", *logins)
        # Anybody can ask for a link to a new password, without a login. So the login role stores the request for a link.
        grants |= on_tables((LOGIN_ROLE,), "SELECT INSERT DELETE", LinkRequest._meta.db_table, Mail._meta.db_table)
        grants |= on_columns(LOGIN_ROLE, "UPDATE", LinkRequest, "due_at")
        delivery = ("due_at", "attempts", "deferrals", "sent_at", "given_up_at", "is_refused", "bounced_at", "error")
        grants |= on_columns(LOGIN_ROLE, "UPDATE", Mail, *delivery, "seen")
        readable = [model._meta.db_table for model in (User, Cover, ExternalIdentity)]
        grants |= on_tables((LOGIN_ROLE,), "SELECT", *readable, "accounts_user_groups", "django_migrations")
        # A login stores `last_login`, and a new hash of the password if the hasher has become stronger.
        # The login role also stores a new password that a user chooses on the page behind a link.
        # When a user ends all logins, the login role adds 1 to the counter `logins_ended`.
        grants |= on_columns(LOGIN_ROLE, "UPDATE", User, "last_login", "password", "logins_ended")
        # The login role stores an email address that the account's owner requests, and its confirmation by link.
        grants |= on_tables((LOGIN_ROLE,), "SELECT INSERT DELETE", AddressChange._meta.db_table)
        grants |= on_columns(LOGIN_ROLE, "UPDATE", AddressChange, "confirmed_by")
        # The login role may not insert accounts, but it may call the function enrol_identity.
        # The function enrol_identity creates only external accounts, for unknown users of the provider.
        return grants | on_functions((LOGIN_ROLE,), "enrol_identity(text,text)", "second_factor_of(bigint)")

    def _common_grants(self) -> set[Grant]:
        """Returns the database grants that every role has.

        The grants concern colleagues' names, and the user's own profile, logins and leave covers.
        """
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
        own_covers = f"{about_me('colleague_id')} OR {about_me('substitute_id')}"
        for role in map(database_role, MATRIX_ROLES):
            grants |= on_columns(role, "SELECT", User, *PUBLIC_FIELDS)
            grants |= on_columns(role, "UPDATE", User, "first_name", "last_name", rows=about_me("id"))
            grants |= on_columns(role, "SELECT", TokenSession, *SESSION_FIELDS, rows=about_me("user_id"))
            grants |= on_columns(role, "UPDATE", TokenSession, "revoked_at", rows=about_me("user_id"))
            grants |= on_columns(role, "SELECT", ExternalIdentity, "user", rows=about_me("user_id"))
            grants |= on_columns(role, "SELECT", Cover, *COVER_FIELDS, rows=own_covers)
        grants |= on_functions(tuple(map(database_role, MATRIX_ROLES)), "own_ids()")
        # Every role may read the permissions of groups: `has_perm` reads them, and they are no secret.
        # Only the roles in `_login_grants` and `_admin_site_grants` may read who is a member of a group.
        all_roles = (LOGIN_ROLE, *map(database_role, MATRIX_ROLES))
        tables = ("auth_group", "auth_permission", "auth_group_permissions", "django_content_type")
        return grants | on_tables(all_roles, "SELECT", *tables)

    def _admin_site_grants(self) -> set[Grant]:
        """Returns the database grants that the admin site needs: those of managers, superusers and auditors.

        Sessions are granted to the login role (`eecrm_app`) instead (`accounts.admin_login.session_store`).
        """
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
        grants |= on_functions(MANAGERS, "address_objection(bigint)", "unusable_password()")
        return grants | on_tables(MANAGERS, "INSERT", Mail._meta.db_table)

    def _second_factor_grants(self) -> set[Grant]:
        """Returns the database grants on second factors. Only the login role (`eecrm_app`) may read the secrets.

        Managers may delete a second factor. The only column that managers may read is `user`, the key of the
        account.
        """
        from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
        from django_otp.plugins.otp_totp.models import TOTPDevice

        tables = [model._meta.db_table for model in (TOTPDevice, StaticDevice, StaticToken)]
        grants = on_tables((LOGIN_ROLE,), "SELECT INSERT UPDATE DELETE", *tables)
        for model in (TOTPDevice, StaticDevice):
            grants |= on_tables(MANAGERS, "DELETE", model._meta.db_table)
            for role in MANAGERS:
                grants |= on_columns(role, "SELECT", model, "user")
        return grants

    def _alert_grants(self) -> set[Grant]:
        """Returns the database grants on alerts. The worker stores alerts.

        A role that may read the audit trail may also read alerts. No role may change or delete an alert.
        """
        from accounts.models import Alert, Export

        grants = on_tables((LOGIN_ROLE,), "SELECT INSERT", Alert._meta.db_table)
        readers = [database_role(role) for role in MATRIX_ROLES if scope_of("trail", "list", role) is Scope.ALL]
        grants |= on_tables(tuple(readers), "SELECT", Alert._meta.db_table)
        # Auditors may insert rows of Export, because membership in a group can give them the permission to export.
        return grants | on_tables((*MANAGERS, database_role(Role.AUDITOR)), "SELECT INSERT", Export._meta.db_table)

    def background_jobs(self) -> "list[Job]":
        """Returns the background jobs of this app, which `manage.py run_worker` runs."""
        from accounts.outbox import alerts
        from accounts.outbox.delivery import deliver
        from accounts.outbox.purging import purge_expired
        from api.jobs import Every

        return [Every(alerts.ALERT_INTERVAL_SECONDS, alerts.look), deliver, Every(60 * 60, purge_expired)]
