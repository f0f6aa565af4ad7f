import logging
import os
import select
import signal
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from datetime import timedelta
from http import HTTPStatus
from typing import Any, NamedTuple

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError, connection

from access.database import acting_through, refuse_privileged_role
from access.refusals import UNAVAILABLE, refusal_of, sqlstate_of
from api.command_numbers import number_between
from api.jobs import EachTurn, Every, declared_jobs, stop_signal

log = logging.getLogger("eecrm.worker")

IDLE = 1.0  # seconds to wait after all jobs ran, if no job has more work
AFTER_TROUBLE = 5.0  # seconds between two attempts to reach the database
# The number of seconds for which a worker may hold a mail that it is sending. It is longer than the slowest delivery.
# With a shorter lease, another worker would send the mail a second time.
LEASE = settings.MAX_DELIVERY_SECONDS + 60.0
MAX_LEASE = 86_400.0


class Command(BaseCommand):
    help = "Run the background jobs, such as sending mails, until SIGTERM or SIGINT."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="run the jobs that are due now, and end")
        parser.add_argument(
            "--lease", type=number_between(1.0, MAX_LEASE), default=LEASE, metavar="SECONDS",
            help=f"how long a worker holds a mail before another one may send it (default: {LEASE:.0f})",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_privileged_role()
        jobs, lease = declared_jobs(), timedelta(seconds=options["lease"])
        log.info("worker_started", extra={"jobs": len(jobs)})
        with stop_request() as stop, acting_through("worker"):
            if not options["once"]:
                work_side_by_side(jobs, lease, stop)
            elif keep_working(jobs, lease, stop, is_once=True):
                raise CommandError("Not all that is due could be done; the log says why.")
        log.info("worker_ended")


class StopRequest:
    """A request to the worker to stop. The handler of SIGTERM and SIGINT writes to a pipe.

    The worker checks the pipe between its jobs. So a signal is never missed, and doesn't interrupt a mail that is being
    sent.
    """

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()

    def notice(self, *_: object) -> None:
        os.write(self.writer, b".")

    def wait(self, seconds: float) -> bool:
        """Waits up to `seconds` seconds for a request to stop. Returns True if the worker must stop."""
        return bool(select.select([self.reader], [], [], seconds)[0])


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    stop = StopRequest()
    previous_handlers = {signum: signal.signal(signum, stop.notice) for signum in (signal.SIGTERM, signal.SIGINT)}
    token = stop_signal.set(stop.reader)
    try:
        yield stop
    finally:
        stop_signal.reset(token)
        for signum, handler in previous_handlers.items():
            signal.signal(signum, handler)
        os.close(stop.reader)
        os.close(stop.writer)


def work_side_by_side(jobs: Sequence[Every], lease: timedelta, stop: StopRequest) -> None:
    """Runs the jobs in two threads until the worker is asked to stop.

    Jobs that wait for another server, such as a mail server, use a separate thread and database connection.
    Otherwise a slow mail server would delay other jobs, such as the job that seals the audit trail.
    """

    def run(jobs_of_thread: Sequence[Every]) -> None:
        try:
            keep_working(jobs_of_thread, lease, stop)
        finally:
            stop.notice()  # an error in one thread ends both, so that the process manager restarts the worker
            connection.close()

    waiting = [job for job in jobs if isinstance(job, EachTurn)]
    with ThreadPoolExecutor(1) as executor:
        # The new thread runs in a copy of the current context variables. One of these is the channel, "worker".
        # Without the copy, the audit trail wouldn't record the channel for the writes of the new thread.
        future = executor.submit(copy_context().run, run, waiting)
        run([job for job in jobs if job not in waiting])
        log.info("worker_stopping")  # the end of the `with` block waits until the current mail is sent
    future.result()


def keep_working(jobs: Sequence[Every], lease: timedelta, stop: StopRequest, *, is_once: bool = False) -> bool:
    """Runs all jobs again and again until the worker is asked to stop. Returns True if a job failed.

    If `is_once` is true, the function also ends as soon as no job is due.
    """
    turn, has_failed = Turn(0.0, False), False
    while not stop.wait(turn.pause):
        turn = work(jobs, lease, stop)
        has_failed |= turn.has_failed
        if is_once and turn.pause:
            break
    return has_failed


class Turn(NamedTuple):
    """Result of one turn, in which the worker runs each job once.

    `pause` is the number of seconds before the next turn.
    """

    pause: float
    has_failed: bool


def work(jobs: Sequence[Every], lease: timedelta, stop: StopRequest) -> Turn:
    """Runs each job once, even if other jobs fail. Each consecutive failure doubles the pause of a job (`api.jobs`)."""
    connection.close_if_unusable_or_obsolete()
    is_busy = has_failed = False
    for job in jobs:
        if stop.wait(0):
            break
        try:
            is_busy |= job(lease)
        except Exception as error:  # noqa: BLE001  # any error is logged, and the next job runs
            has_failed = True
            _log_failure(job, error)
            if not _is_connected():
                return Turn(AFTER_TROUBLE, has_failed)
    return Turn(0.0 if is_busy else IDLE, has_failed)


def _log_failure(job: Every, error: Exception) -> None:
    refusal, extra = refusal_of(error), {"job": job.name, "error": type(error).__name__, "sqlstate": sqlstate_of(error)}
    if refusal is None or refusal.status != HTTPStatus.SERVICE_UNAVAILABLE:
        log.error("worker_job_failed", exc_info=error, extra=extra)
    elif refusal == UNAVAILABLE:
        log.warning("worker_lost_database", extra=extra)
    else:
        log.warning("worker_job_failed", extra=extra | {"reason": refusal.code})


def _is_connected() -> bool:
    """Can the remaining jobs reach the database? Opens a new connection if the present one is broken."""
    try:
        connection.close_if_unusable_or_obsolete()
        connection.ensure_connection()
    except (OperationalError, InterfaceError):
        return False
    return True
