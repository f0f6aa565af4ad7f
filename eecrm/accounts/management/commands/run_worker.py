import logging
import os
import select
import signal
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError, connection

from access.database import acting_through, refuse_privileged_role
from api.jobs import Job, declared

log = logging.getLogger("eecrm.worker")

IDLE = 1.0  # Seconds between two looks at an empty queue.
AFTER_TROUBLE = 5.0  # Seconds, when the database can't be reached or a job has failed.
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
        jobs, lease = list(declared()), timedelta(seconds=options["lease"])
        log.info("worker_started", extra={"jobs": len(jobs)})
        with stop_request() as stop, acting_through("worker"):
            pause = 0.0
            while not stop.wait(pause):
                pause = work(jobs, lease, stop)
                if options["once"] and pause == AFTER_TROUBLE:
                    raise CommandError("Not all that is due could be done; the log says why.")
                if options["once"] and pause:
                    break
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


def work(jobs: list[Job], lease: timedelta, stop: StopRequest) -> float:
    """Each job once. Returns for how many seconds there is nothing to do."""
    connection.close_if_unusable_or_obsolete()
    is_busy = is_troubled = False
    for job in jobs:
        if stop.wait(0):
            break
        try:
            is_busy |= job(lease)
        except (OperationalError, InterfaceError) as error:
            log.warning("worker_lost_database", extra={"error": type(error).__name__})
            connection.close()
            return AFTER_TROUBLE
        except Exception as error:  # noqa: BLE001  # one broken job must not keep the others from being done
            log.error("worker_job_failed", exc_info=error)
            is_troubled = True
    return 0.0 if is_busy else AFTER_TROUBLE if is_troubled else IDLE
