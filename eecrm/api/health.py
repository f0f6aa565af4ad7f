"""For load balancers and orchestrators: is the process alive, and can it work?"""

import logging
import time
from collections.abc import Callable
from typing import Any

from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from access.grants import differences
from api.problems import from_exception, problem

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


@_public
@transaction.non_atomic_requests
@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """200 when the database answers, has every migration and grants what the policy table says; else 503."""
    match _readiness.verdict():
        case Exception() as error:
            return from_exception(request, error)
        case str(sentence):
            return problem(request, 503, "unavailable", sentence)
    return JsonResponse({"status": "ok"})


class _Readiness:
    """The verdict of this process, found at most once in KEPT_SECONDS, however many ask."""

    _verdict: str | Exception | None = None
    _until = float("-inf")

    def verdict(self) -> str | Exception | None:
        """Why the process can't work; None where it can."""
        if time.monotonic() >= self._until:
            self._verdict = _hindrance()
            self._until = time.monotonic() + KEPT_SECONDS
        return self._verdict


_readiness = _Readiness()


def _hindrance() -> str | Exception | None:
    try:
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
        drift = [] if pending else differences()
    except Exception as error:  # noqa: BLE001  # whatever keeps it from working, the answer is a document
        return error
    if pending:
        return f"The database lacks {len(pending)} migrations."
    if drift:
        log.error("the database differs from the policy table: run sync_access", extra={"statements": drift})
        return f"The database differs from the policy table in {len(drift)} places."
    return None
