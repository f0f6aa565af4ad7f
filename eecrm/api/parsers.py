"""JSON as RFC 8259 has it: no NaN, no lone surrogates, no NUL, no numbers beyond a double, 1 MiB at most."""

import math
from typing import IO, Any

import orjson
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser


def _has_unstorable(value: Any) -> bool:
    """NUL can't be stored by PostgreSQL, an infinite number by anybody."""
    match value:
        case str():
            return "\x00" in value
        case float():
            return not math.isfinite(value)
        case list():
            return any(map(_has_unstorable, value))
        case dict():
            return any(_has_unstorable(key) or _has_unstorable(item) for key, item in value.items())
    return False


class StrictJSONParser(BaseParser):
    media_type = "application/json"

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Any = None) -> Any:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise RequestDataTooBig
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise ParseError(
                f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
            ) from None
        if _has_unstorable(value):
            raise ParseError("The body holds a NUL character or a number that is too large.")
        return value
