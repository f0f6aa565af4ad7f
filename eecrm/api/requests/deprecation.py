"""Deprecation of operations: headers in all their answers, errors included, and in the OpenAPI document.

A view declares `deprecated = Deprecation(...)`; a single route declares `as_view(..., deprecated=Deprecation(...))`.
docs/api.md describes the promises to partners.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.http import http_date

_STRING = {"type": "string"}


@dataclass(frozen=True)
class Deprecation:
    """Announces that an operation is deprecated from the time `since` and removed at the time `sunset`.

    Both times have a time zone. `link` is the page that describes the replacement.
    `methods` are the deprecated HTTP methods; by default all.
    Raises ValueError for a time without a time zone, and for a sunset before the deprecation.
    """

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
        """Returns the response headers that announce the deprecation.

        `Deprecation` (RFC 9745) has a date in the format of RFC 9651. `Sunset` (RFC 8594) has an HTTP date.
        """
        return {
            "Deprecation": f"@{self.since.timestamp():.0f}",
            "Sunset": http_date(self.sunset.timestamp()),
            "Link": ", ".join(f'<{self.link}>; rel="{rel}"; type="text/html"' for rel in ("deprecation", "sunset")),
        }

    def described(self) -> dict[str, Any]:
        """Returns the OpenAPI descriptions of the deprecation headers."""
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
    """Returns the view's deprecation for an HTTP method; None if the method isn't deprecated."""
    declared: Deprecation | None = getattr(view, "deprecated", None)
    return declared if declared and declared.concerns(method) else None


def announce(request: HttpRequest, response: HttpResponse) -> None:
    """Adds the headers of a deprecated view to its response.

    The function takes the deprecation from the URL pattern or its view class, because no view object exists if a
    middleware refused the request.
    """
    callback = request.resolver_match and request.resolver_match.func
    declared = getattr(getattr(callback, "cls", None), "deprecated", None)
    declared = getattr(callback, "initkwargs", {}).get("deprecated", declared)
    if declared and declared.concerns(request.method):
        for name, value in declared.headers().items():
            response[name] = value
