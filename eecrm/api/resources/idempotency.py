"""`Idempotency-Key`: a POST that is repeated is given its first answer again and makes nothing twice (`api.md`).

The key is claimed before anything is written, and the answer is kept, in the transaction of the request: after a crash
both are there, or neither. A repeat that comes too early waits in PostgreSQL until the first one's transaction ends.
Then it replays, or is the first one itself. One that has waited for too long is a 503 with `Retry-After`, where
draft-ietf-httpapi-idempotency-key-header has a 409: that means here that a repeat is in vain, and this one isn't.
"""

import re
from hashlib import sha256
from typing import NamedTuple

import orjson
from django.db import connection
from rest_framework import status
from rest_framework.exceptions import APIException, ErrorDetail, ParseError, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from access.database import acting_as_login_role
from api.requests.renderers import JSONText

KEY_HEADER, REPLAYED_HEADER = "Idempotency-Key", "Idempotency-Replayed"
MAX_KEY_AGE_DAYS = 14  # that an answer is kept
MAX_KEYS_PER_PURGE = 10_000  # keys purged in one statement: well below its timeout

_UNFIT = "A key is 1 to 255 printable ASCII characters, as they are or as a quoted string (RFC 9651)."
_FIT = re.compile(r"[ -~]{1,255}")
_QUOTED_STRING = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_KEPT_HEADERS = ("Location", "ETag")

# Waits for whoever claims the same key at the moment. What is over is claimed anew, purged or not.
_CLAIM_KEY = f"""
    INSERT INTO api_idempotency AS known (user_id, key, request) VALUES (%s, %s, %s)
        ON CONFLICT (user_id, key) DO UPDATE
           SET request = excluded.request, created_at = excluded.created_at, body = NULL
         WHERE known.created_at <= now() - interval '{MAX_KEY_AGE_DAYS} days' OR known.body IS NULL
    RETURNING true
"""
_READ = "SELECT request, row_id, status, headers, body FROM api_idempotency WHERE user_id = %s AND key = %s"
_KEEP = "UPDATE api_idempotency SET row_id = %s, status = %s, headers = %s, body = %s WHERE user_id = %s AND key = %s"
_PURGE = f"""
    DELETE FROM api_idempotency
     WHERE created_at <= now() - interval '{MAX_KEY_AGE_DAYS} days'
       AND (user_id, key) IN (SELECT user_id, key FROM api_idempotency ORDER BY created_at LIMIT {MAX_KEYS_PER_PURGE})
"""


class KeyReused(APIException):
    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_detail = f"This {KEY_HEADER} was used for another request: take a new one for each thing that you create."
    default_code = "idempotency_key_reused"


class FirstAnswer(NamedTuple):
    request: str
    row_id: int
    status: int
    headers: str
    body: str

    def again(self) -> Response:
        headers = orjson.loads(self.headers) | {REPLAYED_HEADER: "true"}
        return Response(JSONText(self.body), status=self.status, headers=headers)


def key_of(request: Request) -> str:
    """The key, empty where none is sent; `"abc"` and `abc` are one. Raises ValidationError for what is no key."""
    given = request.headers.get(KEY_HEADER)
    if given is None:
        return ""
    key = given.strip()
    if key.startswith('"'):
        string = _QUOTED_STRING.fullmatch(key)
        key = re.sub(r"\\(.)", r"\1", string[1]) if string else ""
    if not _FIT.fullmatch(key):
        raise ValidationError({KEY_HEADER: [ErrorDetail(_UNFIT, code="invalid")]})
    return key


def _request_digest(request: Request) -> str:
    """Of the body's meaning, not its bytes: an app that builds it anew after a restart may order its members otherwise."""
    try:
        body = orjson.dumps(request.data, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        raise ParseError("The body is nested too deeply.") from None
    return sha256(request.path.encode() + b"\n" + body).hexdigest()


def claim(request: Request, key: str) -> FirstAnswer | None:
    """The answer that was given to this key; None when the key is now this request's, which must `keep` its answer.

    Raises KeyReused for another path or body.
    """
    digest = _request_digest(request)
    first = claim_key(request.user.pk, key, digest)
    if first is not None and first.request != digest:
        raise KeyReused
    return first


def claim_key(user_id: int | None, key: str, digest: str) -> FirstAnswer | None:
    """As `claim`, for an account and the digest of its request; the caller compares the digests."""
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM_KEY, [user_id, key, digest])
        if cursor.fetchone():
            return None
        cursor.execute(_READ, [user_id, key])
        return FirstAnswer(*cursor.fetchone())  # there it is: to be refused has locked it


def keep(request: Request, key: str, row_id: int, response: Response) -> None:
    """Keep the answer about a new row. A refusal is kept by nobody: its claim is rolled back with all else."""
    headers = orjson.dumps({name: response[name] for name in _KEPT_HEADERS if name in response}).decode()
    keep_answer(request.user.pk, key, row_id, response.status_code, headers, response.data)


def keep_answer(user_id: int | None, key: str, row_id: int, code: int, headers: str = "{}", body: str = "") -> None:
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, [row_id, code, headers, body, user_id, key])


def purge_keys() -> int:
    """Delete what has been kept long enough, MOST at a time; returns how many."""
    with acting_as_login_role(), connection.cursor() as cursor:
        cursor.execute(_PURGE)
        return cursor.rowcount


def sweep() -> bool:
    """Purge once. Returns whether there may be more to purge at once."""
    return purge_keys() == MAX_KEYS_PER_PURGE
