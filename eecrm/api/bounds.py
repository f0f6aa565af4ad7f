"""Bounds of what comes in and goes out: no answer and no log line is long because of what was sent."""

import re
from typing import Any

from django.http import HttpRequest
from rest_framework import status
from rest_framework.exceptions import APIException, ErrorDetail

# The bodies of login, refresh, logout and a change of password: a view's `max_body_bytes`.
MAX_CREDENTIAL_BYTES = 16 * 1024
# Forms of the admin site: a file of 1 MiB, and a larger one that its page refuses in words. Django would read all of any.
MAX_FORM_BYTES = 8 * 1024 * 1024

MAX_ERRORS = 50
MAX_SHOWN_CHARS = 100  # of a name or a value that was sent
MAX_DETAIL_CHARS = 1_000  # of a sentence, which may list what is known instead


def shown(text: str, most: int = MAX_SHOWN_CHARS) -> str:
    """The text, or the beginning of a long one."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def in_words(size: int) -> str:
    """A number of bytes: 16 KiB, 1 MiB."""
    return f"{size // 1024} KiB" if size < 1024 * 1024 else f"{size // (1024 * 1024)} MiB"


def body_length(request: HttpRequest) -> int:
    """The bytes of a body. Django takes a length that is no number for 0, and reads none."""
    text = request.META.get("CONTENT_LENGTH") or ""
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else 0


class BodyTooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "body_too_large"

    def __init__(self, most: int) -> None:
        super().__init__(f"A request body holds at most {in_words(most)} here.")


def unknown(names: list[str], *, noun: str, hint: str = "", code: str = "unknown") -> dict[str, list[Any]]:
    """A ValidationError's detail about names that nobody declared: each of them, or how many there are beyond MAX_ERRORS."""
    if len(names) > MAX_ERRORS:
        return {"non_field_errors": [ErrorDetail(f"{len(names):,} {noun}s are unknown.{hint}", code=code)]}
    return {name: [ErrorDetail(f"This {noun} is unknown.{hint}", code=code)] for name in names}
