"""Keeps an uploaded file in a signed form field of the browser between its check and its confirmation.

The server stores nothing. The signature is valid for one user and one page, for half an hour.
"""

from typing import Any

from django.conf import settings
from django.core.signing import TimestampSigner

from csv_files import CannotImport

_EXPIRES = 30 * 60  # maximum number of seconds between the check of the file and the confirmation
_ROOM_FOR_OTHER_FIELDS = 4096  # bytes of a form, for its fields that have no long texts


def sign_upload(content: bytes, options: list[Any], *, salt: str, beside: int) -> str:
    """Returns a file and the options of its import as a signed text for a hidden field of a form.

    `salt` identifies the page and the user. `beside` is the length of the form's other long field. Raises CannotImport
    if the two fields together would be too long for a form.
    """
    text = TimestampSigner(salt=salt).sign_object([content.decode("latin-1"), *options], compress=True)
    if len(text) + beside > settings.DATA_UPLOAD_MAX_MEMORY_SIZE - _ROOM_FOR_OTHER_FIELDS:
        raise CannotImport("This list is too large for a page: split it, or have it imported on the server.")
    return text


def unsign_upload(text: str, *, salt: str) -> tuple[bytes, list[Any]]:
    """Returns the file and the options from a signed text.

    Raises BadSignature if the text wasn't signed with this salt in the last half hour.
    """
    content, *options = TimestampSigner(salt=salt).unsign_object(text, max_age=_EXPIRES)
    return content.encode("latin-1"), options
