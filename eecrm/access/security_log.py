"""Log of security events, for operators: one JSON line each, with names of the OWASP Logging Vocabulary.

No event contains a password, a token, a code or a body. A typed username is logged only if an account has it, because
users sometimes type their password there.
"""

import logging
import traceback
from typing import Any

from django.http import HttpRequest

from access.database import origin

log = logging.getLogger("eecrm.security")


def security_event(
    name: str, request: HttpRequest | None = None, *, level: int = logging.WARNING, **fields: Any
) -> None:
    """Logs an event. `name` is from the vocabulary (`authn_login_fail`); `fields` hold keys and roles.

    The channel is the audit trail's: api, admin, command or worker.
    """
    request_fields = {} if request is None else _request_fields(request)
    log.log(level, name, extra={"event": name, "channel": origin.get().channel, **request_fields, **fields})


def _request_fields(request: HttpRequest) -> dict[str, Any]:
    return request_ids(request) | {
        "actor": getattr(request, "actor_id", None),
        "address": getattr(request, "client_address", None),
    }


def request_ids(request: HttpRequest) -> dict[str, str | None]:
    """Id that the server made for the request, and id that the caller chose. Only the first is unique."""
    return {name: getattr(request, name, None) or None for name in ("request_id", "caller_request_id")}


def place_of_error(error: BaseException) -> str:
    """Type of the error and the line that raised it. The error's own message isn't safe: it may quote user input."""
    frames = traceback.extract_tb(error.__traceback__)
    return type(error).__name__ + (f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else "")
