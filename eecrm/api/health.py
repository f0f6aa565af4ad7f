"""For load balancers and orchestrators: is the process alive, and can it work?"""

import logging
from collections.abc import Callable
from typing import Any

from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from access.grants import differences
from access.logins import faults
from api.problems import from_exception, problem

log = logging.getLogger("eecrm.health")


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
    try:
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
        with connection.cursor() as cursor:
            drift = [] if pending else [*differences(), *faults(cursor)]
    except Exception as error:  # noqa: BLE001  # whatever keeps it from working, the answer is a document
        return from_exception(request, error)
    if pending:
        return problem(request, 503, "unavailable", f"The database lacks {len(pending)} migrations.")
    if drift:
        log.error("the database differs from the policy table: run sync_access --check", extra={"statements": drift})
        return problem(
            request, 503, "unavailable", f"The database differs from the policy table in {len(drift)} places."
        )
    return JsonResponse({"status": "ok"})
