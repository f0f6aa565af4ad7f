"""Conditional requests to one object (RFC 9110, sections 8.8.3 and 13).

A tag is `"<version>-<digest>"`. The version is the row's. The digest covers the whole representation, names of parents and
contacts included. Reads and writes compare the whole tag: after a disk was restored, another row may have the same key and
version, and only the digest keeps a write from overwriting it. An answer that was compressed has a tag with an end of its
own (`api.requests.compression`): it names the same version and the same digest.
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

# One member of a list that may have empty ones. No two repeats meet, so a long header costs no more than its length.
_MEMBER = re.compile(r'(?:(W/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*)?(?:,[ \t]*|\Z)')


class Tag(NamedTuple):
    opaque: str
    is_weak: bool

    @property
    def version(self) -> str:
        return self.opaque.partition("-")[0]

    def names(self, etag: str) -> bool:
        """The weak comparison (section 8.8.3.2), of an answer in either of its encodings."""
        return f'"{self.opaque.removesuffix(GZIPPED)}"' == etag


class Condition(NamedTuple):
    """The value of `If-Match` or `If-None-Match`: entity tags, or `*` for whatever is there."""

    tags: tuple[Tag, ...]
    is_any: bool = False

    def holds(self, etag: str, *, strongly: bool) -> bool:
        """Whether one of the tags names this one. A strong comparison takes no weak tag (section 8.8.3.2)."""
        return self.is_any or any(tag.names(etag) and not (strongly and tag.is_weak) for tag in self.tags)

    def same_as(self, etag: str) -> str | None:
        """The tag that names this one, as the caller wrote it; None where none does."""
        if self.is_any:
            return etag
        return next((f'"{tag.opaque}"' for tag in self.tags if tag.names(etag)), None)

    def newest_until(self, version: int) -> int | None:
        """The newest version among the tags that there has been, so far as a number tells."""
        named = (int(tag.version) for tag in self.tags if re.fullmatch(r"[0-9]{1,19}", tag.version))
        return max((one for one in named if 0 < one <= version), default=None)


class Representation(NamedTuple):
    """An object as its caller gets it."""

    body: JSONText
    version: int

    @property
    def etag(self) -> str:
        return f'"{self.version}-{blake2b(self.body.encode(), digest_size=8).hexdigest()}"'

    def answer(self, *, status: int = 200, **headers: str) -> Response:
        return Response(self.body, status=status, headers={"ETag": self.etag} | headers)

    def answer_if_new(self, request: Request) -> Response:
        """304 for whoever has just this."""
        known = condition(request, "If-None-Match")
        if known is None or (etag := known.same_as(self.etag)) is None:
            return self.answer()
        return Response(status=304, headers={"ETag": etag})  # that of the form which the caller has


class PreconditionFailed(APIException):
    """412. `changed` names the fields that differ from the version that the caller knows; None where nobody can tell."""

    status_code = 412
    default_code = "precondition_failed"

    def __init__(  # noqa: B042  # answered at once, never copied or pickled
        self, detail: str, present: Representation, changed: tuple[str, ...] | None
    ) -> None:
        super().__init__(detail)
        self.members: dict[str, Any] = {"version": present.version, "changed": changed}
        self.headers = {"ETag": present.etag}


class Mismatch(NamedTuple):
    """Why a row isn't what the caller wants to act on, and which version of it they know, if any."""

    sentence: str
    known_version: int | None


def condition(request: Request, name: str) -> Condition | None:
    """What this header asks for; None where it wasn't sent. Raises ValidationError for what is no list of tags."""
    value = request.headers.get(name)
    if value is None:
        return None
    text, tags, place = value.strip(" \t"), [], 0
    if text == "*":
        return Condition((), is_any=True)
    while place < len(text):
        if (member := _MEMBER.match(text, place)) is None:
            break
        if member[2] is not None:
            tags.append(Tag(member[2], is_weak=member[1] is not None))
        place = member.end()
    if place < len(text) or not tags:
        sentence = f'{name} holds entity tags as an ETag header gave them, in double quotes and separated by commas, or "*" without quotes.'
        raise ValidationError({name: [ErrorDetail(sentence, code="invalid")]})
    return Condition(tuple(tags))


def is_conditional(request: Request) -> bool:
    """Whether the request has a precondition for `mismatch` to check."""
    return "If-Match" in request.headers or "If-None-Match" in request.headers


def mismatch(request: Request, present: Representation) -> Mismatch | None:
    """None where the preconditions let the method go on, in the order of section 13.2.2. What `If-None-Match` does to a GET
    is `answer_if_new`'s. Raises ValidationError."""
    wanted, unwanted = condition(request, "If-Match"), condition(request, "If-None-Match")
    version, etag = present.version, present.etag
    if wanted and not wanted.holds(etag, strongly=True):
        if wanted.holds(etag, strongly=False):
            return Mismatch(f"This is at version {version} now, and If-Match takes no weak tags.", version)
        known = wanted.newest_until(version)
        if known == version:
            return Mismatch(f"This is at version {version}, but not as If-Match names it: read it again.", None)
        return Mismatch(f"This is at version {version} now, and If-Match names another.", known)
    if unwanted and request.method not in SAFE_METHODS and unwanted.holds(etag, strongly=False):
        return Mismatch(f"This is at version {version} now, which If-None-Match excludes.", version)
    return None
