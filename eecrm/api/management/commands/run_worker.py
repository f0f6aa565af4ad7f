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

from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError, connection

from access.database import acting_through, refuse_privileged_role
from access.refusals import UNAVAILABLE, refusal_of, sqlstate_of
from api.jobs import EachTurn, Every, declared

log = logging.getLogger("eecrm.worker")

IDLE = 1.0  # Seconds between two looks at an empty queue.
AFTER_TROUBLE = 5.0  # Seconds, when the database can't be reached.
# A mail may take eight answers of its server, ten seconds each (EMAIL_TIMEOUT), before it counts as failed.
LEASE = 180.0


class Command(BaseCommand):
    help = "Send the mails that are due and do the other work in the background, until SIGTERM or SIGINT."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="do what is due now, and end")
        parser.add_argument(
            "--lease", type=float, default=LEASE, metavar="SECONDS",
            help=f"how long a mail is one worker's before another may try it (default: {LEASE:.0f})",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_privileged_role()
        jobs, lease = declared(), timedelta(seconds=options["lease"])
        log.info("worker_started", extra={"jobs": len(jobs)})
        with stop_request() as stop, acting_through("worker"):
            if not options["once"]:
                work_side_by_side(jobs, lease, stop)
            elif keep_working(jobs, lease, stop, is_once=True):
                raise CommandError("Not all that is due could be done; the log says why.")
        log.info("worker_ended")


class StopRequest:
    """Somebody asked us to stop. A pipe, since a signal must neither be missed nor interrupt a mail halfway."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()

    def notice(self, *_: object) -> None:
        os.write(self.writer, b".")

    def wait(self, seconds: float) -> bool:
        """Whether it was asked, now or before so many seconds are over."""
        return bool(select.select([self.reader], [], [], seconds)[0])


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    stop = StopRequest()
    before = {signum: signal.signal(signum, stop.notice) for signum in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
        os.close(stop.reader)
        os.close(stop.writer)


def work_side_by_side(jobs: Sequence[Every], lease: timedelta, stop: StopRequest) -> None:
    """Until it is asked to stop. Jobs that wait for others, as for a mail server, have a thread and a connection of their own, so
    that the seals are made in time however slow the others are."""

    def run(its_jobs: Sequence[Every]) -> None:
        try:
            keep_working(its_jobs, lease, stop)
        finally:
            stop.notice()  # one that breaks ends the other: the worker as a whole is started again
            connection.close()

    waiting = [job for job in jobs if isinstance(job, EachTurn)]
    with ThreadPoolExecutor(1) as beside:
        ended = beside.submit(copy_context().run, run, waiting)  # what it writes comes through the worker as well
        run([job for job in jobs if job not in waiting])
        log.info("worker_stopping")  # once the mail in hand is sent
    ended.result()


def keep_working(jobs: Sequence[Every], lease: timedelta, stop: StopRequest, *, is_once: bool = False) -> bool:
    """Until it is asked to stop, or nothing is due. Returns whether something failed."""
    turn, has_failed = Turn(0.0, False), False
    while not stop.wait(turn.pause):
        turn = work(jobs, lease, stop)
        has_failed |= turn.has_failed
        if is_once and turn.pause:
            break
    return has_failed


class Turn(NamedTuple):
    """`pause` is for how many seconds there is nothing to do."""

    pause: float
    has_failed: bool


def work(jobs: Sequence[Every], lease: timedelta, stop: StopRequest) -> Turn:
    """Each job once. One that fails keeps no other from being done, and itself waits longer each time (`api.jobs`)."""
    connection.close_if_unusable_or_obsolete()
    is_busy = has_failed = False
    for job in jobs:
        if stop.wait(0):
            break
        try:
            is_busy |= job(lease)
        except Exception as error:  # noqa: BLE001  # whatever it is, the next job is another one
            has_failed = True
            _log_failure(job, error)
            if not _is_connected():
                return Turn(AFTER_TROUBLE, has_failed)
    return Turn(0.0 if is_busy else IDLE, has_failed)


def _log_failure(job: Every, error: Exception) -> None:
    refusal, told = refusal_of(error), {"job": job.name, "error": type(error).__name__, "sqlstate": sqlstate_of(error)}
    if refusal is None or refusal.status != HTTPStatus.SERVICE_UNAVAILABLE:
        log.error("worker_job_failed", exc_info=error, extra=told)
    elif refusal == UNAVAILABLE:
        log.warning("worker_lost_database", extra=told)
    else:
        log.warning("worker_job_failed", extra=told | {"reason": refusal.code})


def _is_connected() -> bool:
    """Whether the jobs that are left have a database: over another connection, where this one broke."""
    try:
        connection.close_if_unusable_or_obsolete()
        connection.ensure_connection()
    except (OperationalError, InterfaceError):
        return False
    return True
