"""Liveness and readiness endpoints for load balancers and orchestrators."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from django.apps import apps
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from access import grants, refusals, sql_functions, surroundings
from access.logins import faults, is_log_discreet
from access.permissions import public
from api.requests.problems import from_exception, problem

log = logging.getLogger("eecrm.health")

# The result of the readiness checks is reused for this number of seconds.
# The endpoint is public, and its checks cost as much as a refused login.
# Without this cache, callers could overload the database with requests to the endpoint.
KEPT_SECONDS = 1.0


@public
@transaction.non_atomic_requests
@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """Liveness check: answers 200 as long as the process runs. The check runs no database query."""
    return JsonResponse({"status": "ok"})


class Finding(NamedTuple):
    """A fault that a readiness check found.

    `code` is the member `code` of the 503 answer; "" if the fault is a warning.
    """

    code: str
    detail: str


def _read_only() -> Finding | None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        (setting,) = cursor.fetchone()
    return Finding(refusals.READ_ONLY.code, refusals.READ_ONLY.sentence) if setting == "on" else None


def _migrations() -> Finding | None:
    executor = MigrationExecutor(connection)
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return Finding("unavailable", f"The database lacks {len(pending)} migrations.") if pending else None


def _privileges() -> Finding | None:
    with connection.cursor() as cursor:
        drift = [*sql_functions.function_differences(), *grants.privilege_differences(), *faults(cursor)]
    if not drift:
        return None
    log.error("the database differs from the code: run sync_database", extra={"statements": drift})
    return Finding("unavailable", f"The database differs from the code in {len(drift)} places.")


def _surroundings() -> Finding | None:
    """A warning and no 503: a login that others were given, for example, hinders no request."""
    with connection.cursor() as cursor:
        found = surroundings.faults(cursor)
    if not found:
        return None
    log.error("the database differs from bootstrap.sql: run it again", extra={"faults": found})
    return Finding("", f"The database differs from bootstrap.sql in {len(found)} places.")


# This query makes more rows than fit into `work_mem`, so PostgreSQL writes some 200 kB to a temporary file.
# The query fails if the disk is full. Otherwise it takes 2 ms.
_FILL_TEMPORARY_FILE = "SET LOCAL work_mem = '64kB'; SELECT count(*) FROM generate_series(1, 20000)"


def _disk() -> Finding | None:
    """Finds a full disk of the database. A full disk is a warning and doesn't cause a 503.

    Reads still work on a full disk. Another server wouldn't help, because all servers use the same database.

    A small write may succeed on a full disk, because the row fits into a page that exists already. A temporary file
    always needs new space, so this check writes a temporary file.
    """
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_FILL_TEMPORARY_FILE)
    except DatabaseError as error:
        if refusals.refusal_of(error) != refusals.DISK_FULL:
            raise
        return Finding("", refusals.DISK_FULL.sentence)
    return None


def _server_log() -> Finding | None:
    with connection.cursor() as cursor:
        return None if is_log_discreet(cursor) else Finding("", _LOG_HOLDS_VALUES)


_LOG_HOLDS_VALUES = "PostgreSQL's log gets the values of statements that fail: see docs/operations.md."

Check = Callable[[], Finding | None]


def _checks() -> Iterator[tuple[str, Check]]:
    """Yields the name and the function of each readiness check: those of the database, then those of the apps.

    An AppConfig declares its checks in a method `readiness_checks()`.
    Each check comes after the checks on which it depends.
    """
    yield from (
        ("read_only", _read_only),
        ("migrations", _migrations),
        ("privileges", _privileges),
        ("surroundings", _surroundings),
        ("disk", _disk),
        ("server_log", _server_log),
    )
    for app in apps.get_app_configs():
        yield from getattr(app, "readiness_checks", dict)().items()


@public
@transaction.non_atomic_requests
@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """Readiness check: answers 200 if the database can be used for writes and matches the code, else 503.

    The member `warnings` lists faults that an operator must repair, but to which a load balancer needn't react.
    """
    findings = _readiness.findings()
    if isinstance(findings, Exception):
        answer = from_exception(request, findings)  # this call also logs the exception
        if answer.status_code == 503 or not isinstance(findings, DatabaseError | InterfaceError):
            return answer
        # A privilege or a table is missing, so the process can't serve requests: the answer is 503, not 500.
        return problem(request, 503, "unavailable", "The database refuses what it takes to work: see the log.")
    for finding in findings.values():
        if finding.code:
            return problem(request, 503, finding.code, finding.detail)
    warnings = [{"check": name, "detail": finding.detail} for name, finding in findings.items()]
    return JsonResponse({"status": "ok"} | ({"warnings": warnings} if warnings else {}))


class _Readiness:
    """Caches the faults that the readiness checks found, so that the checks run at most once in KEPT_SECONDS."""

    _findings: dict[str, Finding] | Exception = {}
    _until = float("-inf")

    def findings(self) -> dict[str, Finding] | Exception:
        """Maps the name of each check that found a fault, such as "migrations", to the fault.

        If a check raised an exception, returns this exception instead.
        """
        if time.monotonic() >= self._until:
            self._findings = _run_checks()
            self._until = time.monotonic() + KEPT_SECONDS
        return self._findings


_readiness = _Readiness()


def _run_checks() -> dict[str, Finding] | Exception:
    """Runs the readiness checks.

    Stops at the first fault that isn't a warning, because later checks depend on earlier ones.
    """
    findings: dict[str, Finding] = {}
    try:
        for name, check in _checks():
            if (finding := check()) is None:
                continue
            findings[name] = finding
            if finding.code:
                break
    except Exception as error:  # noqa: BLE001  # `ready` answers any error with a problem document
        return error
    return findings
