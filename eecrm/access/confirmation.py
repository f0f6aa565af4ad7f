"""Confirmation pages of the admin site. An action runs only if its effects are those that the user saw (ADR 24).

A page shows each effect as a line. A hidden field of the page holds a signed hash of each line. When the user confirms,
the server makes the lines again and compares their hashes with those in the field.
"""

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import NamedTuple

from django.core.signing import BadSignature, Signer
from django.http import HttpRequest

CONFIRMATION_FIELD = "shown"  # hidden field in the form of a confirmation page
MAX_DIFFERENCES = 50  # maximum number of changed, new or missing lines that a page reports
MAX_QUOTED_LINES = (
    200  # with more lines, the hidden field holds their hashes without their texts, so that it stays small
)
MAX_QUOTED_CHARS = 200  # the text of a line in the hidden field is cut to this length

_UNREADABLE = "This page wasn't shown to you in this form."


class Line(NamedTuple):
    """One effect of an action, shown as one line of the confirmation page."""

    subject: str  # text that identifies the object and doesn't change, such as "client 7"
    outcome: str = ""  # effect of the action on the object, in the words of the page
    state: str = ""  # text that is compared but not shown, such as the row's version

    @property
    def digest(self) -> str:
        """Hash of the line, cut to nine bytes.

        A longer hash would add no safety: the hidden field is signed, so a user can't send a hash of their own.
        """
        return b64encode(sha256(json.dumps(self).encode()).digest()[:9]).decode()


class Confirmation:
    """Compares the lines that a confirmation page has now with the lines that the user confirmed.

    `page` identifies the page and its object. The signed hidden field (`token`) is valid only for this user and this
    `page`. The server stores nothing.
    """

    def __init__(self, request: HttpRequest, page: str, lines: Iterable[Line]) -> None:
        self.lines = list(lines)
        quotes = len(self.lines) <= MAX_QUOTED_LINES
        current = {
            line.subject: [line.digest, line.outcome[:MAX_QUOTED_CHARS] if quotes else ""] for line in self.lines
        }
        signer = Signer(salt=f"access.confirmation {request.user.pk} {page}")
        self.token = signer.sign_object(current, compress=True)
        self.is_given = False  # true if the user has confirmed and no line has changed
        self.differences: list[str] = []
        if is_confirming(request):
            try:
                shown = signer.unsign_object(request.POST[CONFIRMATION_FIELD])
            except (BadSignature, ValueError):
                self.differences = [_UNREADABLE]
                return
            sentences = list(_difference_sentences(shown, current))
            self.is_given, self.differences = not sentences, _first_sentences(sentences)


def is_confirming(request: HttpRequest) -> bool:
    """True if the request confirms a page. Views then lock the rows before they compare the lines."""
    return request.method == "POST" and CONFIRMATION_FIELD in request.POST


def _difference_sentences(shown: dict[str, list[str]], current: dict[str, list[str]]) -> Iterator[str]:
    for subject, (digest, outcome) in current.items():
        if subject not in shown:
            yield f"{subject} is new here{f': {outcome}' if outcome else ''}."
        elif digest != shown[subject][0]:
            before = shown[subject][1]
            yield f"{subject} has changed{f': {before} before, {outcome} now' if before != outcome else ''}."
    for subject in shown:
        if subject not in current:
            yield f"{subject} is no longer here."


def _first_sentences(sentences: list[str]) -> list[str]:
    more = len(sentences) - MAX_DIFFERENCES
    return [*sentences[:MAX_DIFFERENCES], *([f"And {more:,} more."] if more > 0 else [])]
