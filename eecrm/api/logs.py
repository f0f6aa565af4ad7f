"""One JSON object a line, so that no value (a path with a line break in it) can forge another line."""

import logging
from datetime import UTC, datetime
from typing import Any

import orjson

from api.bounds import MAX_DETAIL_CHARS, shown

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "request", "server_time"}


MAX_TRACEBACK_CHARS = 20_000


def _cut(value: Any) -> Any:
    return shown(value, MAX_DETAIL_CHARS) if isinstance(value, str) else value


class JSONFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _cut(record.getMessage()),
            **{key: _cut(value) for key, value in vars(record).items() if key not in _PLAIN},
        }
        if record.exc_info:
            entry["exception"] = shown(self.formatException(record.exc_info), MAX_TRACEBACK_CHARS)
        return orjson.dumps(entry, default=str).decode()
