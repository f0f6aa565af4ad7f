"""How much of it anybody may have: limits that all workers and machines share, kept in PostgreSQL.

Each limit is a bucket that holds `capacity` requests and refills evenly over `seconds`. A worker takes requests out of
it by the dozen, outside the request's transaction, and hands them out from memory: what a worker holds is paid for, so
that no limit is exceeded by more than the one request with which a worker meets somebody new.
"""

import logging
import math
import time
from http import HTTPStatus
from typing import Any, NamedTuple

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import ErrorDetail, Throttled

from access.database import as_login_role
from access.refusals import refusal_of, sqlstate_of
from access.security_log import security_event

log = logging.getLogger("eecrm.limits")

_MOST_LEASES = 10_000  # in a worker's memory
LIGHT_SHARE = 10  # the part of the limit of an address that is for nothing, for what costs next to nothing


class Limit(NamedTuple):
    name: str
    capacity: int
    seconds: float


class Taken(NamedTuple):
    """What came out of a bucket: requests granted, requests left, and the seconds until there is one again."""

    granted: int
    remaining: int
    wait: float


class TooManyRequests(Throttled):
    """429; `wait` is in seconds."""

    def __init__(self, wait: float) -> None:
        super().__init__()  # whose own sentence is no sentence
        self.wait = max(1, math.ceil(wait))
        self.detail = ErrorDetail(f"Too many requests: try again in {self.wait} s.", self.default_code)


def limit(name: str) -> Limit:
    """A limit of settings.RATE_LIMITS: `read.external` where it is listed, else `read`."""
    known = settings.RATE_LIMITS
    capacity, seconds = known.get(name) or known[name.partition(".")[0]]
    return Limit(name, capacity, seconds)


TAKE = "take_limits(%s, %s, %s, %s)"  # with what `arguments` makes of it: granted, remaining and wait, a row for each


def arguments(*wanted: tuple[Limit, str, int]) -> list[list[Any]]:
    return [
        [f"{limit.name} {whose}" for limit, whose, _ in wanted],
        [number for _, _, number in wanted],
        [limit.capacity for limit, _, _ in wanted],
        [float(limit.seconds) for limit, _, _ in wanted],
    ]


def take(*wanted: tuple[Limit, str, int]) -> list[Taken]:
    """Take from several buckets, (limit, whose, how many) each, in one statement; always name them in the same order.

    The login role alone may. The first one that has nothing left is the last one asked: the others are left as they are, and aren't told of.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT granted, remaining, wait FROM {TAKE}", arguments(*wanted))
        return [Taken(*row) for row in cursor.fetchall()]


def forget_emptied() -> None:
    """Delete the buckets that are empty: they begin anew where they are asked for again."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM api_limit WHERE filled_until < clock_timestamp()")


class _Lease:
    """Requests that this worker has taken for somebody and not handed out yet; once they are, when to ask for more."""

    def __init__(self, taken: Taken) -> None:
        self.left, self.remaining = max(0, taken.granted - 1), taken.remaining  # one is being answered
        self.ask_at = time.monotonic() + taken.wait


_leases: dict[tuple[Limit, str], _Lease] = {}
# Until when what an address has had for nothing fills its bucket, which is this process's own.
_light: dict[tuple[Limit, str], float] = {}


def admit(request: HttpRequest, name: str, whose: str) -> None:
    """Count this request. Raises TooManyRequests when the limit `name` is used up for whoever it is."""
    key = (limit(name), whose)
    request.limited, request.is_paid = key, False  # type: ignore[attr-defined]  # for settle
    lease = _leases.get(key)
    if lease is None:
        return
    if lease.left:
        lease.left -= 1
        request.is_paid = True  # type: ignore[attr-defined]  # as above
    elif (wait := lease.ask_at - time.monotonic()) > 0:
        request.is_paid = True  # type: ignore[attr-defined]  # refused: it costs nothing
        security_event("excess_rate_limit_exceeded", request, limit=name)
        raise TooManyRequests(wait)


def admit_light(request: HttpRequest, whose: str) -> None:
    """Count a request that costs next to nothing (a 404, a file, health, the honeypot). The first ones of an address, a
    tenth of its limit, are counted in this process alone and cost no statement: probes and pages work without a database.
    The others are requests as any. Raises TooManyRequests."""
    if hasattr(request, "limited") or hasattr(request, "is_light"):
        return
    request.is_light = True  # type: ignore[attr-defined]  # counted: a missing file is a 404 as well
    asked, now = limit("anonymous"), time.monotonic()
    full_until = max(now, _light.get((asked, whose), 0)) + asked.seconds * LIGHT_SHARE / asked.capacity
    if full_until > now + asked.seconds:
        return admit(request, "anonymous", whose)
    if len(_light) >= _MOST_LEASES:
        _light.clear()
    _light[asked, whose] = full_until


def give_back(request: HttpRequest, *whose: tuple[Limit, str]) -> None:
    """One of each, once the request is answered. One that is never answered keeps what it took."""
    request.given_back = whose  # type: ignore[attr-defined]  # for settle


def settle(request: HttpRequest, response: HttpResponse) -> None:
    """After the answer, with no transaction open: pay for it where it isn't paid yet, and tell what is left.

    Headers: `RateLimit` and `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers.
    """
    given_back = [(limit, whose, -1) for limit, whose in getattr(request, "given_back", ())]
    key = getattr(request, "limited", None)
    is_owed = key is not None and not request.is_paid and response.status_code != 503  # type: ignore[attr-defined]  # by admit
    if given_back or is_owed:
        _pay(given_back, key if is_owed else None)
    if key is None or (lease := _leases.get(key)) is None:
        return
    asked = key[0]
    left = lease.left + lease.remaining
    full_in = math.ceil((asked.capacity - left) * asked.seconds / asked.capacity)
    name = asked.name.partition(".")[0]
    response["RateLimit-Policy"] = f'"{name}";q={asked.capacity};w={asked.seconds:.0f}'
    response["RateLimit"] = f'"{name}";r={left};t={full_in}'


def _pay(given_back: list[tuple[Limit, str, int]], owed: tuple[Limit, str] | None) -> None:
    share = max(1, owed[0].capacity // 200) if owed else 0
    leased = [(*owed, share)] if owed else []
    try:
        with as_login_role():
            taken = take(*given_back, *leased)
    except (DatabaseError, InterfaceError) as error:
        told = {"error": type(error).__name__, "sqlstate": sqlstate_of(error)}
        refusal = refusal_of(error)
        is_outage = refusal is not None and refusal.status == HTTPStatus.SERVICE_UNAVAILABLE
        log.log(logging.WARNING if is_outage else logging.ERROR, "limits_not_counted", extra=told)
        # The answer is made. A share for nothing: while the database is away, not each request shall wait for it.
        taken = [Taken(share, 0, 0)]
    if owed:
        if len(_leases) >= _MOST_LEASES:
            _leases.clear()
        _leases[owed] = _Lease(taken[-1])
