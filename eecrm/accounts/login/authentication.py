"""Authentication of an API request. One SQL statement finds the login with its account, and sets the account's role.

The role is a PostgreSQL role (SET ROLE). The role limits what the request may read and write.
"""

from functools import partial
from typing import Any, cast

from django.conf import settings
from django.db import connection, transaction
from django.http import HttpRequest
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from access.database import ORIGIN_SETTINGS, ROLE_PREFIX, leave, origin
from access.policy import Role
from access.security_log import security_event
from accounts.login import oidc
from accounts.login.oidc import Identity
from accounts.login.oidc_keys import ProviderUnavailable
from accounts.login.tokens import AccessToken, Claims, InvalidToken, read_token
from accounts.models import User
from api.requests import limits
from api.requests.client_address import place_of

MAX_TOKEN_CHARS = 8192  # gunicorn refuses longer header lines (deploy/gunicorn.conf.py)

_NEEDED = {"id", "username", "first_name", "last_name", "display_name", "email", "role", "is_superuser", "is_active"}
# Fields that the statement below reads, in the order of the model's fields, because `from_db` requires this order.
_CALLER_FIELDS = [field.name for field in User._meta.concrete_fields if field.name in _NEEDED]

# The statement reads role and activity for each request, because a token only proves which account it belongs to.
_ACCOUNT = f"""
    SELECT {", ".join(f"account.{field}" for field in _CALLER_FIELDS)},
           ARRAY(SELECT auth_group.name FROM accounts_user_groups
                   JOIN auth_group ON auth_group.id = group_id WHERE user_id = account.id) AS group_names,
           ARRAY(SELECT colleague_id FROM accounts_cover
                  WHERE substitute_id = account.id
                    AND starts_at <= statement_timestamp() AND ends_at > statement_timestamp()) AS covered_ids,
           set_config('role', '{ROLE_PREFIX}' ||
               CASE WHEN account.is_superuser THEN '{Role.SUPERUSER.value}' ELSE account.role END, true),
           set_config('eecrm.user_id', account.id::text, true), {ORIGIN_SETTINGS}
"""
_ENTER_BY_LOGIN = f"""{_ACCOUNT}
      FROM accounts_tokensession AS login
      JOIN accounts_user AS account ON account.id = login.user_id
     WHERE login.id = %s AND account.id = %s
       AND login.revoked_at IS NULL AND login.expires_at > now() AND account.is_active
"""
_ENTER_BY_IDENTITY = f"""{_ACCOUNT}
      FROM accounts_externalidentity AS identity
      JOIN accounts_user AS account ON account.id = identity.user_id
     WHERE identity.issuer = %s AND identity.subject = %s
       AND (identity.not_before IS NULL OR identity.not_before <= to_timestamp(%s)) AND account.is_active
"""


def enter_role_of(claims: Claims | Identity) -> User | None:
    """Sets the caller's PostgreSQL role until the transaction ends, and returns the account.

    Returns None if the account is inactive or the login has ended. Also returns None if no account has the identity
    (account at the OpenID Connect provider), or if the identity's tokens were ended.
    """
    with connection.cursor() as cursor:
        if isinstance(claims, Claims):
            cursor.execute(_ENTER_BY_LOGIN, [*origin.get(), claims.session, claims.user])
        else:
            cursor.execute(_ENTER_BY_IDENTITY, [*origin.get(), *claims])
        row = cursor.fetchone()
    if row is None:
        return None
    user: User = User.from_db(connection.alias, _CALLER_FIELDS, row[: len(_CALLER_FIELDS)])
    group_names, covered_ids = row[len(_CALLER_FIELDS) : len(_CALLER_FIELDS) + 2]
    user.group_names, user.covered_ids = frozenset(group_names), tuple(covered_ids)
    return user


def _enrol(identity: Identity, request: HttpRequest) -> User | None:
    """Creates an external account for an unknown identity (account at the OpenID Connect provider).

    This happens only with the setting OIDC_CREATE_ACCOUNTS. If there is still no active account, logs a failed
    login and returns None.
    """
    user = None
    if settings.OIDC_CREATE_ACCOUNTS:
        leave()  # the audit trail names this request as the origin of the account
        with connection.cursor() as cursor:
            cursor.execute("SELECT enrol_identity(%s, %s)", [identity.issuer, identity.subject])
            (account_id,) = cursor.fetchone()
        if account_id:
            # Log only after the commit, because the new account is rolled back if the request is refused later.
            transaction.on_commit(
                partial(security_event, "user_created", request, account=account_id, role=Role.EXTERNAL)
            )
        user = enter_role_of(identity)
    if user is None:
        reason = "no active account has this identity, or its tokens were ended"
        security_event("authn_login_fail", request, reason=reason, issuer=identity.issuer, subject=identity.subject)
    return user


def _read_caller(token: str, request: HttpRequest) -> tuple[User, Claims | Identity]:
    """Returns the account and the claims of an access token.

    Raises InvalidToken if the token isn't valid, or if no active account belongs to the token.
    """
    if len(token) > MAX_TOKEN_CHARS:
        raise InvalidToken
    claims: Claims | Identity
    if oidc.is_from_provider(token):
        claims = oidc.read_provider_token(token)
        user = enter_role_of(claims) or _enrol(claims, request)
    else:
        claims = read_token(AccessToken, token)
        user = enter_role_of(claims)
    if user is None:
        raise InvalidToken
    return user, claims


def login_of(claims: Any, user: User) -> str:
    """Returns a text that identifies the login of a request. All tokens of the identity provider count as one login."""
    return str(claims.session) if isinstance(claims, Claims) else f"provider {user.pk}"


def account_of(request: Request) -> User:
    """Returns the caller's account. The view must have PolicyPermission, which refuses anonymous requests."""
    return cast(User, request.user)


class SessionTokenAuthentication(BaseAuthentication):
    """Authentication by `Authorization: Bearer <access token>` (RFC 6750).

    The token comes from this API or from the identity provider.
    """

    def authenticate(self, request: Request) -> tuple[User, Claims | Identity] | None:
        """Authenticates the request, and counts the request in a rate limit.

        A request with a valid token counts for the caller, or for the login if the view has `ends_logins`.
        A request with any other Authorization header counts for its IP address. A request without this header isn't
        counted here, because RequestMiddleware has counted it.
        """
        if "HTTP_AUTHORIZATION" not in request.META:
            return None
        scheme, _, token = request.META["HTTP_AUTHORIZATION"].partition(" ")
        if scheme.lower() != "bearer":
            limits.admit(request._request, "anonymous", place_of(request._request))
            return None
        try:
            user, claims = _read_caller(token.strip(), request._request)
        except (InvalidToken, ProviderUnavailable):
            limits.admit(request._request, "anonymous", place_of(request._request))
            raise
        request._request.actor_id = user.pk  # type: ignore[attr-defined]  # the request's log line names this account
        is_read = request.method in SAFE_METHODS
        if not is_read and getattr(request.parser_context["view"], "ends_logins", False):
            # Counted for the login alone. Otherwise a thief of a token could use up the account's limit,
            # and the owner couldn't end the thief's login.
            limits.admit(request._request, "own_logins", login_of(claims, user))
        else:
            limits.admit(request._request, f"{'read' if is_read else 'write'}.{user.effective_role}", str(user.pk))
        return user, claims

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


class SessionTokenScheme(OpenApiAuthenticationExtension):
    target_class = SessionTokenAuthentication
    name = "accessToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
