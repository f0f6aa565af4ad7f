"""Maximum sizes of requests and answers. So a long text from a caller can't make an answer or a log line long."""

import re
from typing import Any

from django.http import HttpRequest
from rest_framework import status
from rest_framework.exceptions import APIException, ErrorDetail

# This is the maximum body size of requests with passwords or tokens: login, refresh, logout and change of password.
MAX_CREDENTIAL_BYTES = 16 * 1024
# This is the maximum size of a form in the admin site. Without a maximum, Django would read a form of any size.
# A file in a form may have 1 MiB.
# The maximum for the whole form is higher, so that the page can answer that a larger file is too large.
MAX_FORM_BYTES = 8 * 1024 * 1024

MAX_ERRORS = 50
MAX_SHOWN_CHARS = 100  # an answer cuts a name or value that the caller sent to this number of characters
MAX_DETAIL_CHARS = 1_000  # maximum characters of an error sentence, which may list all names of filters, for example


def shortened(text: str, max_chars: int = MAX_SHOWN_CHARS) -> str:
    """Cuts a text that is longer than `max_chars` and ends it with an ellipsis."""
    return text if len(text) <= max_chars else f"{text[: max_chars - 1]}…"


def in_words(size: int) -> str:
    """Formats a number of bytes for users, for example as "16 KiB" or "1 MiB"."""
    return f"{size // 1024} KiB" if size < 1024 * 1024 else f"{size // (1024 * 1024)} MiB"


def body_length(request: HttpRequest) -> int:
    """Returns the request's Content-Length; 0 if the header isn't a number, because Django then reads no body."""
    text = request.META.get("CONTENT_LENGTH") or ""
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else 0


class BodyTooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "body_too_large"

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"A request body holds at most {in_words(max_bytes)} here.")


def unknown(names: list[str], *, noun: str, hint: str = "", code: str = "unknown") -> dict[str, list[Any]]:
    """Returns the detail of a ValidationError about unknown names, such as unknown fields.

    If there are more than MAX_ERRORS names, the detail gives the number of names and doesn't list them.
    """
    if len(names) > MAX_ERRORS:
        return {"non_field_errors": [ErrorDetail(f"{len(names):,} {noun}s are unknown.{hint}", code=code)]}
    return {name: [ErrorDetail(f"This {noun} is unknown.{hint}", code=code)] for name in names}
