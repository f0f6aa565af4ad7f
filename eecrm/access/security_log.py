"""Log of security events, for operators. Each event is one JSON line with a name of the OWASP Logging Vocabulary.

No event contains a password, a token, a code or a request body. A typed username is logged only if an account has it,
because users sometimes type their password into the field for the username.
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
    """Logs a security event. `name` is a name of the OWASP vocabulary, such as `authn_login_fail`.

    `fields` hold primary keys and roles. The log line has the channel as in the audit trail: api, admin, command or
    worker.
    """
    request_fields = {} if request is None else _request_fields(request)
    log.log(level, name, extra={"event": name, "channel": origin.get().channel, **request_fields, **fields})


def _request_fields(request: HttpRequest) -> dict[str, Any]:
    return request_ids(request) | {
        "actor": getattr(request, "actor_id", None),
        "address": getattr(request, "client_address", None),
    }


def request_ids(request: HttpRequest) -> dict[str, str | None]:
    """Returns the id that the server gave to the HTTP request, and the id that the API client chose.

    Only the server's id is unique.
    """
    return {name: getattr(request, name, None) or None for name in ("request_id", "caller_request_id")}


def place_of_error(error: BaseException) -> str:
    """Returns the type of the error and the line of code that raised it.

    The error's own message isn't safe to log, because it may quote user input.
    """
    frames = traceback.extract_tb(error.__traceback__)
    return type(error).__name__ + (f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else "")
