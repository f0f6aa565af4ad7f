"""Writes log lines as JSON objects, so that no value (such as a path with a line break) can forge another line.

No line contains text that a caller sent in a form, a body or a URL (`security.md` 30).
"""

import logging
from datetime import UTC, datetime
from typing import Any

import orjson

from access.security_log import place_of_error
from api.requests.bounds import MAX_DETAIL_CHARS, shortened

_STANDARD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
    "request",
    "server_time",
}


MAX_TRACEBACK_CHARS = 20_000


def _cut(value: Any) -> Any:
    return shortened(value, MAX_DETAIL_CHARS) if isinstance(value, str) else value


def _is_refused(record: logging.LogRecord) -> bool:
    """Did Django write this log record about a request that it refused (4xx)?

    Such a request isn't a fault of our code.
    """
    status = getattr(record, "status_code", None)
    return record.name.startswith("django.security.") or (
        record.name == "django.request" and isinstance(status, int) and status < 500
    )


class JSONFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        refused = _is_refused(record)
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": "refused" if refused else _cut(record.getMessage()),
            **{key: _cut(value) for key, value in vars(record).items() if key not in _STANDARD_ATTRIBUTES},
        }
        if record.exc_info and refused:
            entry["error"] = place_of_error(record.exc_info[1]) if record.exc_info[1] else ""
        elif record.exc_info:
            entry["exception"] = shortened(self.formatException(record.exc_info), MAX_TRACEBACK_CHARS)
        return orjson.dumps(entry, default=str).decode()
