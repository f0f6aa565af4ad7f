"""How the end of an operation is announced: in its answers, errors too, and in the OpenAPI document.

Declared where the operation is: `deprecated = Deprecation(...)` on a view, or `as_view(..., deprecated=Deprecation(...))`
for one route of it. What partners are promised is in docs/api.md.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.http import http_date

_STRING = {"type": "string"}


@dataclass(frozen=True)
class Deprecation:
    """`since` when it shouldn't be used any more, until `sunset`, when it will be gone, both with a time zone; `link` is the page
    that says what to use instead; `methods` are those that it is about, all by default."""

    since: datetime
    sunset: datetime
    link: str
    methods: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.since.tzinfo is None or self.sunset.tzinfo is None:
            raise ValueError("Both dates have a time zone.")
        if self.sunset < self.since:
            raise ValueError("The sunset comes before the deprecation (RFC 9745, section 4).")

    def concerns(self, method: str | None) -> bool:
        return not self.methods or ("GET" if method == "HEAD" else method) in self.methods

    def headers(self) -> dict[str, str]:
        """RFC 9745 has a date of RFC 9651, RFC 8594 one of HTTP."""
        return {
            "Deprecation": f"@{self.since.timestamp():.0f}",
            "Sunset": http_date(self.sunset.timestamp()),
            "Link": ", ".join(f'<{self.link}>; rel="{rel}"; type="text/html"' for rel in ("deprecation", "sunset")),
        }

    def described(self) -> dict[str, Any]:
        """Its headers as the OpenAPI document has them."""
        meanings = {
            "Deprecation": "Since when this shouldn't be used any more: `@` and seconds since 1970 (RFC 9745).",
            "Sunset": "When it will be gone (RFC 8594).",
            "Link": "Where to read what to use instead.",
        }
        return {
            name: {"description": meanings[name], "schema": _STRING, "required": True, "example": value}
            for name, value in self.headers().items()
        }


def deprecation_of(view: Any, method: str | None) -> Deprecation | None:
    """What is declared of this method of a view."""
    declared: Deprecation | None = getattr(view, "deprecated", None)
    return declared if declared and declared.concerns(method) else None


def announce(request: HttpRequest, response: HttpResponse) -> None:
    """Nobody has made the view where its request was refused before it: its callback tells."""
    callback = request.resolver_match and request.resolver_match.func
    declared = getattr(getattr(callback, "cls", None), "deprecated", None)
    declared = getattr(callback, "initkwargs", {}).get("deprecated", declared)
    if declared and declared.concerns(request.method):
        for name, value in declared.headers().items():
            response[name] = value
