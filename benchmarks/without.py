"""This project with some of its parts taken out, to see what they cost: `WITHOUT=policy,log_line gunicorn without:application`.

Each function takes out one part, and knows the names of the code that it is made of. What PostgreSQL does by itself (row
security, the trail) nobody who serves requests could turn off: parts.py has the owner do it.
"""

import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "eecrm"))
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"

import django  # noqa: E402  # needs its settings

django.setup()


def authentication() -> None:
    """No token is read, no login is looked up. The role is entered once, by the connection; requests are counted all the same."""
    from django.conf import settings
    from rest_framework.permissions import SAFE_METHODS

    from access.policy import Role
    from accounts.login.authentication import SessionTokenAuthentication
    from accounts.models import User
    from api.requests import limits

    caller = User(pk=1, username="sales1", role=Role.SALES)
    caller.group_names, caller.covered_ids = frozenset(), ()
    settings.DATABASES["default"]["OPTIONS"]["options"] = f"-c role=eecrm_sales -c eecrm.user_id={caller.pk}"

    def authenticate(self: Any, request: Any) -> Any:
        request._request.actor_id = caller.pk
        scope = "read" if request.method in SAFE_METHODS else "write"
        limits.admit(request._request, f"{scope}.{caller.role}", str(caller.pk))
        return caller, None

    SessionTokenAuthentication.authenticate = authenticate


def policy() -> None:
    """Everybody may do everything with every row, as far as Python knows."""
    from access.permissions import PolicyPermission
    from access.querysets import PolicyQuerySet

    PolicyPermission.has_permission = PolicyPermission.has_object_permission = lambda *_: True
    PolicyQuerySet.permitted_by = lambda rows, *_: rows.all()


def log_line() -> None:
    from api.requests.middleware import RequestMiddleware

    RequestMiddleware._log = staticmethod(lambda *_: None)


def serializer() -> None:
    """Rows are answered as `{}`."""
    from api.resources.json_rows import Row
    from api.resources.serializers import ResourceSerializer

    ResourceSerializer.row = classmethod(lambda cls, root, *, masked: Row("'{{}}'", (), root))


def throttle() -> None:
    """Nothing is counted, logins neither."""
    from accounts.login import credentials
    from api.requests import limits

    limits.admit = limits.settle = lambda *_: None
    nothing = "(SELECT 1 AS granted, 1 AS remaining, 0 AS wait, 1 AS ordinality WHERE num_nulls(%s, %s, %s, %s) = 0) AS nothing"
    credentials._COUNT = credentials._COUNT.replace(f"{limits.TAKE} WITH ORDINALITY", nothing)


def middleware() -> None:
    """None but the two that the answers of the API need."""
    from django.conf import settings

    settings.MIDDLEWARE = ["api.requests.middleware.RequestMiddleware", "api.requests.middleware.ProblemMiddleware"]
    settings.SILENCED_SYSTEM_CHECKS = [
        "admin.E408",
        "admin.E409",
        "admin.E410",
    ]  # the admin site would not work like this


def password_check() -> None:
    from accounts.passwords.hashers import TunedArgon2PasswordHasher

    TunedArgon2PasswordHasher.verify = lambda *_: True


PARTS = {
    part.__name__: part for part in (authentication, policy, log_line, serializer, throttle, middleware, password_check)
}
for name in filter(None, os.environ["WITHOUT"].split(",")):
    PARTS[name]()

from config.wsgi import application  # noqa: E402, F401  # after the parts are out
