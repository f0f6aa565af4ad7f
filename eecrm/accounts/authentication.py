"""Who is calling: one SQL statement finds the login and its user, and enters the user's role in PostgreSQL."""

from typing import Any, cast

from django.db import connection
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework_simplejwt.tokens import AccessToken

from access.database import ROLE_PREFIX
from access.policy import Role
from accounts.models import User
from accounts.tokens import Claims, InvalidToken, read

_NEEDED = {"id", "username", "first_name", "last_name", "display_name", "email", "role", "is_superuser", "is_active"}
_FIELDS = [field.name for field in User._meta.concrete_fields if field.name in _NEEDED]  # from_db wants their order

# Role and activity are read anew for each request: nothing in a token is believed but whose it is.
_ENTER = f"""
    SELECT {", ".join(f"account.{field}" for field in _FIELDS)},
           ARRAY(SELECT auth_group.name FROM accounts_user_groups
                   JOIN auth_group ON auth_group.id = group_id WHERE user_id = account.id) AS group_names,
           ARRAY(SELECT colleague_id FROM accounts_cover
                  WHERE substitute_id = account.id
                    AND starts_at <= statement_timestamp() AND ends_at > statement_timestamp()) AS covered_ids,
           set_config('role', '{ROLE_PREFIX}' ||
               CASE WHEN account.is_superuser THEN '{Role.SUPERUSER.value}' ELSE account.role END, true),
           set_config('eecrm.user_id', account.id::text, true)
      FROM accounts_tokensession AS login
      JOIN accounts_user AS account ON account.id = login.user_id
     WHERE login.id = %s AND account.id = %s
       AND login.revoked_at IS NULL AND login.expires_at > now() AND account.is_active
"""


def enter(claims: Claims) -> User | None:
    """The caller, whose database role holds from here to the end of the transaction; None for a login that is over."""
    with connection.cursor() as cursor:
        cursor.execute(_ENTER, [claims.session, claims.user])
        row = cursor.fetchone()
    if row is None:
        return None
    user: User = User.from_db(connection.alias, _FIELDS, row[: len(_FIELDS)])
    group_names, covered_ids = row[len(_FIELDS) : len(_FIELDS) + 2]
    user.group_names, user.covered_ids = frozenset(group_names), tuple(covered_ids)
    return user


def account_of(request: Request) -> User:
    """The caller of a view that PolicyPermission guards: nobody anonymous gets there."""
    return cast(User, request.user)


class SessionTokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer <access token>` (RFC 6750)."""

    def authenticate(self, request: Request) -> tuple[User, Claims] | None:
        scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        claims = read(AccessToken, token.strip())
        if (user := enter(claims)) is None:
            raise InvalidToken
        request._request.actor_id = user.pk  # type: ignore[attr-defined]  # for the log line
        return user, claims

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


class SessionTokenScheme(OpenApiAuthenticationExtension):
    target_class = SessionTokenAuthentication
    name = "accessToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
