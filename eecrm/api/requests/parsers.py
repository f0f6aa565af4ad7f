"""Strict parser of JSON bodies (RFC 8259) in UTF-8, with at most 1 MiB.

The parser refuses NaN, lone surrogates, numbers too large for a double, and duplicate member names.
"""

import json
import re
from collections import Counter
from typing import IO, Any

import orjson
from django.conf import settings
from django.http import UnreadablePostError
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser

from api.requests.bounds import MAX_CREDENTIAL_BYTES, BodyTooLarge, shortened
from api.requests.wsgi_request import refuse_other_charsets

# Matches a string in valid JSON. The possessive quantifiers (`*+`) prevent backtracking, which could be slow.
_JSON_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)


class LengthRequired(APIException):
    """Error 411 for chunked bodies.

    Otherwise Django would treat a body of unknown length as empty and lose its content.
    """

    status_code = status.HTTP_411_LENGTH_REQUIRED
    default_detail = "A request with a body has a Content-Length here: chunked ones aren't read."
    default_code = "length_required"


class StrictJSONParser(BaseParser):
    media_type = "application/json"

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Any = None) -> Any:
        _refuse_encodings(parser_context["request"])
        limit = getattr(parser_context["view"], "max_body_bytes", settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        try:
            # The body is read up to the general limit (1 MiB), even if this view has a lower limit.
            # Otherwise the connection would close while the caller is still sending, and the answer would be lost.
            body = stream.read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
        except UnreadablePostError:
            raise ParseError("The body has ended before its Content-Length.") from None
        if len(body) > limit:
            raise BodyTooLarge(limit)
        try:
            data = orjson.loads(body)
            # Duplicate members are dangerous: a proxy may check the first member, but orjson keeps the last one.
            if _count_members(body) != _count_members(orjson.dumps(data)):
                raise _duplicate_members(body)
        except orjson.JSONDecodeError as error:
            raise ParseError(
                f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
            ) from None
        except orjson.JSONEncodeError:
            raise ParseError("The body is nested too deeply.") from None
        return data


def _refuse_encodings(request: Any) -> None:
    """Raises UnsupportedMediaType if the body isn't in UTF-8 (RFC 8259, section 8.1) or is compressed."""
    refuse_other_charsets(request._request)
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise UnsupportedMediaType("", "A body is sent as it is here, without a Content-Encoding.")


def _count_members(text: bytes) -> int:
    """Counts the members of all objects in a valid JSON text.

    Regular expressions run in C; a Python hook for each object would take ten times as long.
    """
    return _JSON_STRING.sub(b"", text).count(b":")


def _duplicate_members(body: bytes) -> ParseError:
    """Returns the error for duplicate members of a JSON body. For a small body, the error has the members' names.

    A large body isn't searched for the names, because the search is slow.
    """
    if len(body) <= MAX_CREDENTIAL_BYTES:
        json.loads(body, object_pairs_hook=_refuse_duplicates, parse_int=str, parse_float=str)
    return ParseError("The body names a member more than once.")


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> None:
    counts = Counter(name for name, _ in pairs)
    repeated = [name for name, count in counts.items() if count > 1]
    if repeated:
        raise ParseError(f"The body names {', '.join(map(shortened, map(repr, repeated[:3])))} more than once.")
