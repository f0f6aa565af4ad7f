"""Conditional requests to one object (RFC 9110, sections 8.8.3 and 13).

An entity tag is `"<version>-<digest>"`. The version is the row's column `version`.
The digest covers the whole representation, including the names of parents and contacts.
Reads and writes compare the whole tag, because the version isn't enough.
After a backup was restored, another row may have the same id and version.
A compressed answer has the same tag with a suffix (`api.requests.compression`).
"""

import re
from hashlib import blake2b
from typing import Any, NamedTuple

from rest_framework.exceptions import APIException, ErrorDetail, ValidationError
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response

from api.requests.renderers import JSONText

GZIPPED = "-gzip"

# Matches one entity tag of a comma-separated list, or an empty element.
# The pattern never has two repetitions side by side, such as `[a-z]*[a-f]*`, so that matching takes linear time.
_LIST_MEMBER = re.compile(r'(?:(W/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*)?(?:,[ \t]*|\Z)')


class Tag(NamedTuple):
    opaque: str
    is_weak: bool

    @property
    def version(self) -> str:
        return self.opaque.partition("-")[0]

    def names(self, etag: str) -> bool:
        """Does this tag equal `etag` (weak comparison)? The suffix of a compressed answer is ignored."""
        return f'"{self.opaque.removesuffix(GZIPPED)}"' == etag


class Condition(NamedTuple):
    """Parsed value of `If-Match` or `If-None-Match`: entity tags, or `*` (`is_any`), which matches any version."""

    tags: tuple[Tag, ...]
    is_any: bool = False

    def holds(self, etag: str, *, strongly: bool) -> bool:
        """Does one of the tags match `etag`? A strong comparison never matches a weak tag (RFC 9110, 8.8.3.2)."""
        return self.is_any or any(tag.names(etag) and not (strongly and tag.is_weak) for tag in self.tags)

    def same_as(self, etag: str) -> str | None:
        """Returns the tag that matches `etag`, as the caller wrote it; None if no tag matches.

        For `*`, returns `etag`.
        """
        if self.is_any:
            return etag
        return next((f'"{tag.opaque}"' for tag in self.tags if tag.names(etag)), None)

    def newest_until(self, version: int) -> int | None:
        """Returns the highest version number in the tags that is at most `version`; None if there is none."""
        versions = (int(tag.version) for tag in self.tags if re.fullmatch(r"[0-9]{1,19}", tag.version))
        return max((number for number in versions if 0 < number <= version), default=None)


class Representation(NamedTuple):
    """JSON text of a row as the caller may see it, with the row's version."""

    body: JSONText
    version: int

    @property
    def etag(self) -> str:
        return f'"{self.version}-{blake2b(self.body.encode(), digest_size=8).hexdigest()}"'

    def answer(self, *, status: int = 200, **headers: str) -> Response:
        return Response(self.body, status=status, headers={"ETag": self.etag} | headers)

    def answer_if_new(self, request: Request) -> Response:
        """Returns a 304 if `If-None-Match` contains this representation's ETag, else the representation."""
        known = condition(request, "If-None-Match")
        if known is None or (etag := known.same_as(self.etag)) is None:
            return self.answer()
        # The tag is the one that the caller sent. It may be the tag of a compressed answer.
        return Response(status=304, headers={"ETag": etag})


class PreconditionFailed(APIException):
    """Error 412: the row doesn't meet the request's precondition, such as `If-Match`.

    `changed` has the names of the fields that differ from the caller's version; None if they aren't known.
    """

    status_code = 412
    default_code = "precondition_failed"

    def __init__(  # noqa: B042  # this exception is never copied or pickled
        self, detail: str, present: Representation, changed: tuple[str, ...] | None
    ) -> None:
        super().__init__(detail)
        self.members: dict[str, Any] = {"version": present.version, "changed": changed}
        self.headers = {"ETag": present.etag}


class Mismatch(NamedTuple):
    """A failed precondition: a sentence with the reason, and the version that the caller has, if it is known."""

    sentence: str
    known_version: int | None


def condition(request: Request, name: str) -> Condition | None:
    """Parses the header `name`, such as `If-Match`. Returns None if the request doesn't have this header.

    Raises ValidationError unless the header is a list of entity tags or `*`.
    """
    value = request.headers.get(name)
    if value is None:
        return None
    text, tags, place = value.strip(" \t"), [], 0
    if text == "*":
        return Condition((), is_any=True)
    while place < len(text):
        if (member := _LIST_MEMBER.match(text, place)) is None:
            break
        if member[2] is not None:
            tags.append(Tag(member[2], is_weak=member[1] is not None))
        place = member.end()
    if place < len(text) or not tags:
        sentence = (
            f"{name} holds entity tags as an ETag header gave them, in double quotes and separated by commas, "
            'or "*" without quotes.'
        )
        raise ValidationError({name: [ErrorDetail(sentence, code="invalid")]})
    return Condition(tuple(tags))


def is_conditional(request: Request) -> bool:
    """Does the request have a precondition (`If-Match` or `If-None-Match`) that `mismatch` must check?"""
    return "If-Match" in request.headers or "If-None-Match" in request.headers


def mismatch(request: Request, present: Representation) -> Mismatch | None:
    """Returns the first precondition of the request that fails, in the order of RFC 9110, section 13.2.2; else None.

    `answer_if_new` handles the `If-None-Match` of a GET. Raises ValidationError for invalid headers.
    """
    if_match, if_none_match = condition(request, "If-Match"), condition(request, "If-None-Match")
    version, etag = present.version, present.etag
    if if_match and not if_match.holds(etag, strongly=True):
        if if_match.holds(etag, strongly=False):
            return Mismatch(f"This is at version {version} now, and If-Match takes no weak tags.", version)
        known = if_match.newest_until(version)
        if known == version:
            return Mismatch(f"This is at version {version}, but not as If-Match names it: read it again.", None)
        return Mismatch(f"This is at version {version} now, and If-Match names another.", known)
    if if_none_match and request.method not in SAFE_METHODS and if_none_match.holds(etag, strongly=False):
        return Mismatch(f"This is at version {version} now, which If-None-Match excludes.", version)
    return None
