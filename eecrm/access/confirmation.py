"""Confirmation pages of the admin site. A hidden field holds a signed digest of each line that the page shows (ADR 24).

When the user confirms, the action runs only if the page would still show the same lines.
"""

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import NamedTuple

from django.core.signing import BadSignature, Signer
from django.http import HttpRequest

CONFIRMATION_FIELD = "shown"  # hidden field of the form that confirms a page
MAX_DIFFERENCES = 50  # differences that a page lists
MAX_QUOTED_LINES = 200  # the form of a longer page holds digests without the outcomes, so that it stays small
MAX_QUOTED_CHARS = 200  # of each outcome that a form holds

_UNREADABLE = "This page wasn't shown to you in this form."


class Line(NamedTuple):
    """One effect of an action, which the confirmation page shows as a line."""

    subject: str  # readable name that doesn't change, such as "client 7"
    outcome: str = ""  # the effect, in the words of the page
    state: str = ""  # text that is compared but not shown, such as a version

    @property
    def digest(self) -> str:
        """Hash of the line. Nine bytes are enough because the page's signature stops a user from choosing hashes."""
        return b64encode(sha256(json.dumps(self).encode()).digest()[:9]).decode()


class Confirmation:
    """The current lines of a page, compared with the lines that the user confirmed.

    The token is signed for the user and for `page`, a name of the page and its object, so it is valid nowhere else.
    The server stores nothing.
    """

    def __init__(self, request: HttpRequest, page: str, lines: Iterable[Line]) -> None:
        self.lines = list(lines)
        quotes = len(self.lines) <= MAX_QUOTED_LINES
        current = {
            line.subject: [line.digest, line.outcome[:MAX_QUOTED_CHARS] if quotes else ""] for line in self.lines
        }
        signer = Signer(salt=f"access.confirmation {request.user.pk} {page}")
        self.token = signer.sign_object(current, compress=True)
        self.is_given = False  # confirmed, and no line has changed
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
    """True if the request confirms a page. The view then locks the rows before it compares them."""
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
