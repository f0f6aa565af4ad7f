"""Serves this project without some of its parts: `WITHOUT=policy,log_line gunicorn without:application`.

Each function here removes one part by patching our code.
Row security and the audit trail are in PostgreSQL, so parts.py turns them off there.
"""

import os
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "eecrm"))
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"

import django  # noqa: E402  # imported after the settings are chosen

django.setup()


def authentication() -> None:
    """Removes authentication: all requests come from one user, and each connection uses one fixed database role.

    Rate limits remain.
    """
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
    """Removes the permission checks in Python, so that each action is allowed. PostgreSQL's row security remains."""
    from access.permissions import PolicyPermission
    from access.querysets import PolicyQuerySet

    PolicyPermission.has_permission = PolicyPermission.has_object_permission = lambda *_: True
    PolicyQuerySet.permitted_by = lambda rows, *_: rows.all()


def log_line() -> None:
    from api.requests.middleware import RequestMiddleware

    RequestMiddleware._log = staticmethod(lambda *_: None)


def serializer() -> None:
    """Removes the serialization of rows: the answer has `{}` for each row."""
    from api.resources.json_rows import Row
    from api.resources.serializers import ResourceSerializer

    ResourceSerializer.row = classmethod(lambda cls, root, *, masked: Row("'{{}}'", (), root))


def throttle() -> None:
    """Removes the rate limits of requests and of logins."""
    from accounts.login import credentials
    from api.requests import limits

    limits.admit = limits.settle = lambda *_: None
    # This SQL text replaces the call of take_limits.
    # The text must use all parameters of the call, because `credentials` still passes them.
    granted = "(SELECT 1 AS granted, 1 AS remaining, 0 AS wait, 1 AS ordinality WHERE num_nulls({}) = 0) AS granted"
    counted = re.search(r"take_limits\(.+\) WITH ORDINALITY", credentials._COUNT, re.DOTALL)
    assert counted, "the statement of logins has changed"
    values = ", ".join(["%s"] * counted[0].count("%s"))
    credentials._COUNT = credentials._COUNT.replace(counted[0], granted.format(values))


def middleware() -> None:
    """Removes all middlewares except the two middlewares that the API's answers need."""
    from django.conf import settings

    settings.MIDDLEWARE = ["api.requests.middleware.RequestMiddleware", "api.requests.middleware.ProblemMiddleware"]
    # The admin site's system checks are silenced, because they demand the removed middlewares.
    settings.SILENCED_SYSTEM_CHECKS = ["admin.E408", "admin.E409", "admin.E410"]


def password_check() -> None:
    from accounts.passwords.hashers import TunedArgon2PasswordHasher

    TunedArgon2PasswordHasher.verify = lambda *_: True


PARTS = {
    part.__name__: part for part in (authentication, policy, log_line, serializer, throttle, middleware, password_check)
}
for name in filter(None, os.environ["WITHOUT"].split(",")):
    PARTS[name]()

from config.wsgi import application  # noqa: E402, F401  # imported after the parts were removed
