"""Security events, one JSON line each, named by the OWASP Logging Vocabulary: for whoever watches over the product.

No event carries a password, a token, a code or a body. A name that somebody typed is a password often enough: it is
not logged unless it is an account's.
"""

import logging
import traceback
from typing import Any

from django.http import HttpRequest

log = logging.getLogger("eecrm.security")


def security_event(
    name: str, request: HttpRequest | None = None, *, level: int = logging.WARNING, **fields: Any
) -> None:
    """`name` is the vocabulary's (`authn_login_fail`), with what it is about in `fields`: keys, roles, rules."""
    told = {} if request is None else _of_request(request)
    log.log(level, name, extra={"event": name, **told, **fields})


def _of_request(request: HttpRequest) -> dict[str, Any]:
    return request_ids(request) | {
        "actor": getattr(request, "actor_id", None),
        "address": getattr(request, "client_address", None),
    }


def request_ids(request: HttpRequest) -> dict[str, str | None]:
    """The id that the server made for a request, and the one that the caller chose: apart, for only the first is unique."""
    return {name: getattr(request, name, None) or None for name in ("request_id", "caller_request_id")}


def place_of_error(error: BaseException) -> str:
    """Its type, and the line that raised it: an error's own sentence may quote what was typed."""
    frames = traceback.extract_tb(error.__traceback__)
    return type(error).__name__ + (f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else "")
