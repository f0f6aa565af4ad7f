"""The page before an action carries what it showed: the action is done only if that is still what would be done."""

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import NamedTuple

from django.core.signing import BadSignature, Signer
from django.http import HttpRequest

CONFIRMATION_FIELD = "shown"  # of the form with which a page is confirmed
MAX_DIFFERENCES = 50  # that a page lists
MAX_QUOTED_LINES = 200  # of longer plans the form carries digests alone, so that it stays small
MAX_QUOTED_CHARS = 200

_UNREADABLE = "This page wasn't shown to you in this form."


class Line(NamedTuple):
    """One thing that an action would do."""

    subject: str  # names it for people, and stays the same: "client 7"
    outcome: str = ""  # as the page shows it
    state: str = ""  # what counts besides, and isn't shown: a version

    @property
    def digest(self) -> str:
        """Nine bytes are enough: the page's signature keeps anybody from choosing them."""
        return b64encode(sha256(json.dumps(self).encode()).digest()[:9]).decode()


class Confirmation:
    """What a page shows now, beside what it showed when it was confirmed.

    `page` names it and what it is about, so that no confirmation counts elsewhere. Nothing is stored on the server.
    """

    def __init__(self, request: HttpRequest, page: str, lines: Iterable[Line]) -> None:
        self.lines = list(lines)
        quotes = len(self.lines) <= MAX_QUOTED_LINES
        now = {line.subject: [line.digest, line.outcome[:MAX_QUOTED_CHARS] if quotes else ""] for line in self.lines}
        signer = Signer(salt=f"access.confirmation {request.user.pk} {page}")
        self.token = signer.sign_object(now, compress=True)
        self.is_given = False  # confirmed, and nothing has changed
        self.differences: list[str] = []
        if is_confirming(request):
            try:
                shown = signer.unsign_object(request.POST[CONFIRMATION_FIELD])
            except (BadSignature, ValueError):
                self.differences = [_UNREADABLE]
                return
            found = list(_listed_differences(shown, now))
            self.is_given, self.differences = not found, _bounded(found)


def is_confirming(request: HttpRequest) -> bool:
    """The request confirms a page: what it is about is locked before it is compared."""
    return request.method == "POST" and CONFIRMATION_FIELD in request.POST


def _listed_differences(shown: dict[str, list[str]], now: dict[str, list[str]]) -> Iterator[str]:
    for subject, (digest, outcome) in now.items():
        if subject not in shown:
            yield f"{subject} is new here{f': {outcome}' if outcome else ''}."
        elif digest != shown[subject][0]:
            before = shown[subject][1]
            yield f"{subject} has changed{f': {before} before, {outcome} now' if before != outcome else ''}."
    for subject in shown:
        if subject not in now:
            yield f"{subject} is no longer here."


def _bounded(sentences: list[str]) -> list[str]:
    more = len(sentences) - MAX_DIFFERENCES
    return [*sentences[:MAX_DIFFERENCES], *([f"And {more:,} more."] if more > 0 else [])]
