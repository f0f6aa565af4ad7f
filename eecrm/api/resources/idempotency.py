"""`Idempotency-Key`: a repeated POST returns the first answer again and creates nothing twice (`api.md`).

The request's transaction claims the key before it writes anything, and stores the answer at the end.
So after a crash both the row and the answer exist, or neither.
A repeat that comes too early waits in PostgreSQL until the first request's transaction ends.
Then it returns the first answer or, if that transaction was rolled back, becomes the first request itself.
A repeat that waits too long gets a 503 with `Retry-After`.
draft-ietf-httpapi-idempotency-key-header recommends 409 instead of this 503. In this API, a 409 tells the client not to
repeat the request.
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
MAX_KEY_AGE_DAYS = 14
MAX_KEYS_PER_PURGE = 10_000  # maximum keys that one statement deletes, so that it ends long before its timeout

_INVALID_KEY = "A key is 1 to 255 printable ASCII characters, as they are or as a quoted string (RFC 9651)."
_VALID_KEY = re.compile(r"[ -~]{1,255}")
_QUOTED_STRING = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_STORED_HEADERS = ("Location", "ETag")

# Claims an idempotency key for this request, also an expired key that isn't deleted yet.
# The statement waits while another transaction claims the same key.
_CLAIM_KEY = f"""
    INSERT INTO api_idempotency AS known (user_id, key, request) VALUES (%s, %s, %s)
        ON CONFLICT (user_id, key) DO UPDATE
           SET request = excluded.request, created_at = excluded.created_at, body = NULL
         WHERE known.created_at <= now() - interval '{MAX_KEY_AGE_DAYS} days' OR known.body IS NULL
    RETURNING true
"""
_SELECT_ANSWER = "SELECT request, row_id, status, headers, body FROM api_idempotency WHERE user_id = %s AND key = %s"
_STORE_ANSWER = (
    "UPDATE api_idempotency SET row_id = %s, status = %s, headers = %s, body = %s WHERE user_id = %s AND key = %s"
)
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
    """Returns the request's idempotency key; "" if the request has none. `"abc"` and `abc` are the same key.

    Raises ValidationError for an invalid key.
    """
    header = request.headers.get(KEY_HEADER)
    if header is None:
        return ""
    key = header.strip()
    if key.startswith('"'):
        string = _QUOTED_STRING.fullmatch(key)
        key = re.sub(r"\\(.)", r"\1", string[1]) if string else ""
    if not _VALID_KEY.fullmatch(key):
        raise ValidationError({KEY_HEADER: [ErrorDetail(_INVALID_KEY, code="invalid")]})
    return key


def _request_digest(request: Request) -> str:
    """Returns a hash of the request's path and parsed JSON body, with the members of the body sorted.

    The body's bytes aren't hashed: an app that repeats a request may order the members differently.
    """
    try:
        body = orjson.dumps(request.data, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        raise ParseError("The body is nested too deeply.") from None
    return sha256(request.path.encode() + b"\n" + body).hexdigest()


def claim(request: Request, key: str) -> FirstAnswer | None:
    """Returns the stored answer of the first request with this idempotency key; None if the key is new.

    A new key now belongs to this request, which must store its answer with `keep`.
    Raises KeyReused if the key was used for another path or body.
    """
    digest = _request_digest(request)
    first = claim_key(request.user.pk, key, digest)
    if first is not None and first.request != digest:
        raise KeyReused
    return first


def claim_key(user_id: int | None, key: str, digest: str) -> FirstAnswer | None:
    """Claims an idempotency key. Returns the stored answer of the first request; None if the key is new.

    Unlike `claim`, never raises KeyReused: the calling code must compare `digest` with the stored digest.
    """
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM_KEY, [user_id, key, digest])
        if cursor.fetchone():
            return None
        cursor.execute(_SELECT_ANSWER, [user_id, key])
        # The row still exists: INSERT … ON CONFLICT has locked it, so no other transaction can delete it.
        return FirstAnswer(*cursor.fetchone())


def keep(request: Request, key: str, row_id: int, response: Response) -> None:
    """Stores the answer about a new row under the idempotency key.

    An error answer isn't stored, because its transaction is rolled back, together with the claim of the key.
    """
    headers = orjson.dumps({name: response[name] for name in _STORED_HEADERS if name in response}).decode()
    keep_answer(request.user.pk, key, row_id, response.status_code, headers, response.data)


def keep_answer(user_id: int | None, key: str, row_id: int, code: int, headers: str = "{}", body: str = "") -> None:
    with connection.cursor() as cursor:
        cursor.execute(_STORE_ANSWER, [row_id, code, headers, body, user_id, key])


def purge_keys() -> int:
    """Deletes expired idempotency keys, at most MAX_KEYS_PER_PURGE. Returns the number of deleted keys."""
    with acting_as_login_role(), connection.cursor() as cursor:
        cursor.execute(_PURGE)
        return cursor.rowcount


def sweep() -> bool:
    """Background job that deletes expired idempotency keys. Returns True if more expired keys may be left."""
    return purge_keys() == MAX_KEYS_PER_PURGE
