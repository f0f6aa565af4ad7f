"""For load balancers and orchestrators: is the process alive, and can it work?"""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from django.apps import apps
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from access import grants, refusals, sql_functions
from access.logins import faults, is_log_discreet
from api.requests.problems import from_exception, problem

log = logging.getLogger("eecrm.health")

KEPT_SECONDS = 1.0  # that a verdict counts: to find it takes as much as to refuse a login, and anybody may ask


def _public(view: Callable[..., Any]) -> Callable[..., Any]:
    view.is_public = True  # type: ignore[attr-defined]  # for access.checks
    return view


@_public
@transaction.non_atomic_requests
@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers; it asks nobody else."""
    return JsonResponse({"status": "ok"})


class Finding(NamedTuple):
    """Something that is wrong. `code` is that of the 503 where the process can't work with it, and "" for a warning."""

    code: str
    detail: str


def _read_only() -> Finding | None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        (told,) = cursor.fetchone()
    return Finding(refusals.READ_ONLY.code, refusals.READ_ONLY.sentence) if told == "on" else None


def _migrations() -> Finding | None:
    executor = MigrationExecutor(connection)
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return Finding("unavailable", f"The database lacks {len(pending)} migrations.") if pending else None


def _privileges() -> Finding | None:
    with connection.cursor() as cursor:
        drift = [*sql_functions.differences(), *grants.differences(), *faults(cursor)]
    if not drift:
        return None
    log.error("the database differs from the code: run sync_database", extra={"statements": drift})
    return Finding("unavailable", f"The database differs from the code in {len(drift)} places.")


def _server_log() -> Finding | None:
    with connection.cursor() as cursor:
        return None if is_log_discreet(cursor) else Finding("", _LOUD)


_LOUD = "PostgreSQL's log gets the values of statements that fail: see docs/operations.md."

Check = Callable[[], Finding | None]


def _checks() -> Iterator[tuple[str, Check]]:
    """By name, each after those that it relies on: the database's, then those that an AppConfig has in `readiness_checks()`."""
    yield from (
        ("read_only", _read_only),
        ("migrations", _migrations),
        ("privileges", _privileges),
        ("server_log", _server_log),
    )
    for app in apps.get_app_configs():
        yield from getattr(app, "readiness_checks", dict)().items()


@_public
@transaction.non_atomic_requests
@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """200 when the database answers, takes changes, has every migration and grants what the policy table says; else 503.
    `warnings` hold what a person must look at and a load balancer needn't."""
    found = _readiness.findings()
    if isinstance(found, Exception):
        answer = from_exception(request, found)  # which logs it
        if answer.status_code == 503 or not isinstance(found, DatabaseError | InterfaceError):
            return answer
        # A role that may not even look, a table that isn't there: no matter what, it can't work.
        return problem(request, 503, "unavailable", "The database refuses what it takes to work: see the log.")
    for finding in found.values():
        if finding.code:
            return problem(request, 503, finding.code, finding.detail)
    warnings = [{"check": name, "detail": finding.detail} for name, finding in found.items()]
    return JsonResponse({"status": "ok"} | ({"warnings": warnings} if warnings else {}))


class _Readiness:
    """The findings of this process, made at most once in KEPT_SECONDS, however many ask."""

    _found: dict[str, Finding] | Exception = {}
    _until = float("-inf")

    def findings(self) -> dict[str, Finding] | Exception:
        """By the names of their checks; or the error that kept a check from its answer."""
        if time.monotonic() >= self._until:
            self._found = _findings()
            self._until = time.monotonic() + KEPT_SECONDS
        return self._found


_readiness = _Readiness()


def _findings() -> dict[str, Finding] | Exception:
    """Up to the first one with which the process can't work."""
    found: dict[str, Finding] = {}
    try:
        for name, check in _checks():
            if (finding := check()) is None:
                continue
            found[name] = finding
            if finding.code:
                break
    except Exception as error:  # noqa: BLE001  # whatever keeps it from working, the answer is a document
        return error
    return found
