"""Rate limits shared by all workers, stored in PostgreSQL (GCRA, docs/adr/0008).

Each limit has a bucket (counter) for each caller or IP address.
A bucket holds `capacity` requests and refills evenly over `seconds`.
A worker takes a lease from the bucket: the right to admit many requests, which the worker counts in memory.
The worker takes the lease outside of the request's transaction.
A worker that has no lease left answers the request first. It takes a new lease afterwards, which counts this request.
So a worker can exceed a limit by one request each time it needs a new lease.
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

_MAX_LEASES = 10_000  # number of leases that a worker keeps in memory
LIGHT_SHARE = 10  # an IP address may send a tenth (1 / LIGHT_SHARE) of its limit as cheap requests that need no query


class Limit(NamedTuple):
    name: str
    capacity: int
    seconds: float


class Taken(NamedTuple):
    """Result of taking requests from one bucket (the counter of one rate limit for one caller).

    `granted` and `remaining` are numbers of requests. `wait` is the number of seconds until the next request is
    available.
    """

    granted: int
    remaining: int
    wait: float


class TooManyRequests(Throttled):
    """Error 429. `wait` is the number of seconds after which the caller may try again, rounded up."""

    def __init__(self, wait: float) -> None:
        super().__init__()  # DRF's detail isn't a full sentence, so it is replaced below
        self.wait = max(1, math.ceil(wait))
        self.detail = ErrorDetail(f"Too many requests: try again in {self.wait} s.", self.default_code)


def limit(name: str) -> Limit:
    """Returns the rate limit `name` of settings.RATE_LIMITS.

    If a name such as `read.external` isn't listed there, its first part applies: `read`.
    """
    known = settings.RATE_LIMITS
    capacity, seconds = known.get(name) or known[name.partition(".")[0]]
    return Limit(name, capacity, seconds)


# The Python function `arguments` returns the four arguments of this SQL function.
# The SQL function returns a row (granted, remaining, wait) for each bucket.
TAKE = "take_limits(%s, %s, %s, %s)"


def arguments(*wanted: tuple[Limit, str, int]) -> list[list[Any]]:
    return [
        [f"{limit.name} {owner}" for limit, owner, _ in wanted],
        [number for _, _, number in wanted],
        [limit.capacity for limit, _, _ in wanted],
        [float(limit.seconds) for limit, _, _ in wanted],
    ]


def take(*wanted: tuple[Limit, str, int]) -> list[Taken]:
    """Takes requests from several buckets (counters of rate limits) in one SQL statement.

    `wanted` has (limit, owner, number of requests) for each bucket. A negative number gives requests back.
    Only the login role may run this statement.
    All callers must list buckets in the same order. Otherwise two statements can deadlock.
    The statement stops at the first bucket that grants nothing: later buckets aren't changed and have no result.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT granted, remaining, wait FROM {TAKE}", arguments(*wanted))
        return [Taken(*row) for row in cursor.fetchall()]


def forget_emptied() -> None:
    """Deletes buckets (counters of rate limits) that have refilled. A missing row means a full bucket."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM api_limit WHERE filled_until < clock_timestamp()")


class _Lease:
    """A lease: the number of requests that this worker may still admit without asking PostgreSQL.

    After it has used up the lease, the worker may take a new one, but not before `ask_at` (monotonic time).
    """

    def __init__(self, taken: Taken) -> None:
        # One less than granted, because the lease also counts the request that has just been answered.
        self.left, self.remaining = max(0, taken.granted - 1), taken.remaining
        self.ask_at = time.monotonic() + taken.wait


_leases: dict[tuple[Limit, str], _Lease] = {}
# Maps (limit, IP address) to a monotonic time. At this time, the cheap requests that the address sent stop counting.
# Cheap requests, such as health checks, are counted in this process only (GCRA).
_light: dict[tuple[Limit, str], float] = {}


def admit(request: HttpRequest, name: str, owner: str) -> None:
    """Counts a request. Raises TooManyRequests if `owner` (an account or IP address) has used up the limit `name`."""
    key = (limit(name), owner)
    request.limited, request.is_paid = key, False  # type: ignore[attr-defined]  # `settle` reads both attributes
    lease = _leases.get(key)
    if lease is None:
        return
    if lease.left:
        lease.left -= 1
        request.is_paid = True  # type: ignore[attr-defined]  # `settle` reads this attribute
    elif (wait := lease.ask_at - time.monotonic()) > 0:
        request.is_paid = True  # type: ignore[attr-defined]  # a refused request isn't counted
        security_event("excess_rate_limit_exceeded", request, limit=name)
        raise TooManyRequests(wait)


def admit_light(request: HttpRequest, owner: str) -> None:
    """Counts a request that costs next to nothing: a 404, a static file, a health check, the honeypot.

    Up to a tenth of an IP address's limit is counted in this process only and needs no query.
    So health checks and pages work without a database. Further requests of this kind count like other requests.
    Raises TooManyRequests if the IP address has used up its limit.
    """
    if hasattr(request, "limited") or hasattr(request, "is_light"):
        return
    # Without this mark a missing static file would count twice: as a static file and as a 404.
    request.is_light = True  # type: ignore[attr-defined]  # an attribute that we add
    asked, now = limit("anonymous"), time.monotonic()
    full_until = max(now, _light.get((asked, owner), 0)) + asked.seconds * LIGHT_SHARE / asked.capacity
    if full_until > now + asked.seconds:
        return admit(request, "anonymous", owner)
    if len(_light) >= _MAX_LEASES:
        _light.clear()
    _light[asked, owner] = full_until


def give_back(request: HttpRequest, *buckets: tuple[Limit, str]) -> None:
    """Makes `settle` undo one counted request in each of `buckets` (counters of rate limits) after the answer.

    If the request gets no answer, nothing is undone.
    """
    # `settle` reads this attribute.
    request.given_back = [(limit, owner, -1) for limit, owner in buckets]  # type: ignore[attr-defined]


def give_all_back(request: HttpRequest, *buckets: tuple[Limit, str]) -> None:
    """Makes `settle` fill each of `buckets` (counters of rate limits) after the answer.

    The caller may then use the whole limit, as if no request had been counted.
    """
    # `settle` reads this attribute.
    request.given_back = [(limit, owner, -limit.capacity) for limit, owner in buckets]  # type: ignore[attr-defined]


def settle(request: HttpRequest, response: HttpResponse) -> None:
    """Counts an answered request, unless `admit` has counted it already. Sets the rate limit headers of the response.

    `admit` counts a request if the worker has a lease: requests that the worker may admit without asking PostgreSQL.
    `settle` doesn't count a request with the answer 503. It runs when no transaction is open.
    Headers: `RateLimit` and `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers.
    """
    given_back = getattr(request, "given_back", [])
    key = getattr(request, "limited", None)
    is_paid = getattr(request, "is_paid", False)
    is_owed = key is not None and not is_paid and response.status_code != 503
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
        extra = {"error": type(error).__name__, "sqlstate": sqlstate_of(error)}
        refusal = refusal_of(error)
        is_outage = refusal is not None and refusal.status == HTTPStatus.SERVICE_UNAVAILABLE
        log.log(logging.WARNING if is_outage else logging.ERROR, "limits_not_counted", extra=extra)
        # The request already has its answer, so this database error isn't raised.
        # Each web server process then admits some requests without counting, so that they don't wait for the database.
        taken = [Taken(share, 0, 0)]
    if owed:
        if len(_leases) >= _MAX_LEASES:
            _leases.clear()
        _leases[owed] = _Lease(taken[-1])
