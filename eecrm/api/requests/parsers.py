"""JSON as RFC 8259 has it, in UTF-8: no NaN, no lone surrogates, no numbers beyond a double, no name twice, and 1 MiB at most."""

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

# A text of JSON that was parsed already. Nothing here backtracks.
_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)


class LengthRequired(APIException):
    """411: a body of unknown length would be taken for none, and what it says would be lost."""

    status_code = status.HTTP_411_LENGTH_REQUIRED
    default_detail = "A request with a body has a Content-Length here: chunked ones aren't read."
    default_code = "length_required"


class StrictJSONParser(BaseParser):
    media_type = "application/json"

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Any = None) -> Any:
        _refuse_encodings(parser_context["request"])
        limit = getattr(parser_context["view"], "max_body_bytes", settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        try:
            # Read where it is too large for this view, too: a client that still sends when we close never reads the answer.
            body = stream.read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
        except UnreadablePostError:
            raise ParseError("The body has ended before its Content-Length.") from None
        if len(body) > limit:
            raise BodyTooLarge(limit)
        try:
            data = orjson.loads(body)
            # orjson keeps the last of two members of one name. A proxy that checked the request may have read the first.
            if _members(body) != _members(orjson.dumps(data)):
                raise _repeated(body)
        except orjson.JSONDecodeError as error:
            raise ParseError(
                f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
            ) from None
        except orjson.JSONEncodeError:
            raise ParseError("The body is nested too deeply.") from None
        return data


def _refuse_encodings(request: Any) -> None:
    """JSON between systems is UTF-8 (RFC 8259, section 8.1), and a small body needs no compression."""
    refuse_other_charsets(request._request)
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise UnsupportedMediaType("", "A body is sent as it is here, without a Content-Encoding.")


def _members(text: bytes) -> int:
    """The number of members in all objects of a JSON text. In C, as to parse is: a hook for each object costs ten times as much."""
    return _TEXT.sub(b"", text).count(b":")


def _repeated(body: bytes) -> ParseError:
    """Names the members that come twice, where it takes little to find them."""
    if len(body) <= MAX_CREDENTIAL_BYTES:
        json.loads(body, object_pairs_hook=_refuse_repeated, parse_int=str, parse_float=str)
    return ParseError("The body names a member more than once.")


def _refuse_repeated(pairs: list[tuple[str, Any]]) -> None:
    counts = Counter(name for name, _ in pairs)
    repeated = [name for name, count in counts.items() if count > 1]
    if repeated:
        raise ParseError(f"The body names {', '.join(map(shortened, map(repr, repeated[:3])))} more than once.")
