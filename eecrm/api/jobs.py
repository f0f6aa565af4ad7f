"""Background jobs: functions that `manage.py run_worker` calls repeatedly until it is stopped.

An AppConfig declares its jobs in a method `background_jobs()`, which returns a list of jobs.
"""

import time
from collections.abc import Callable
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

from django.apps import apps

# A job is a function with one parameter, the lease: the time for which a worker reserves a row (a mail) for itself.
# After this time, another worker may take the row.
# A job returns True if more work may be waiting.
Job = Callable[[timedelta], bool]

# After a failure a job pauses. Each further consecutive failure doubles the pause, up to the maximum.
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 5.0, 300.0

# File descriptor that becomes readable when the worker is asked to stop. None outside the worker.
# A job that waits for another server watches it, because a stop of the worker waits for the job.
stop_signal: ContextVar[int | None] = ContextVar("stop_signal", default=None)


class Every:
    """A job that runs when the worker starts and then every `seconds` seconds.

    If the job's function returns True, the job runs again immediately.
    """

    def __init__(self, seconds: float, action: Callable[..., bool | None], *, is_urgent: bool = False) -> None:
        self.seconds, self.action, self.is_urgent = seconds, action, is_urgent
        self.name = f"{action.__module__}.{action.__qualname__}"
        self._next, self._failures = 0.0, 0

    def __call__(self, lease: timedelta) -> bool:
        started = time.monotonic()
        if started < self._next:
            return False
        try:
            has_more = bool(self._act(lease))
        except Exception:
            pause = min(FIRST_PAUSE_SECONDS * 2**self._failures, MAX_PAUSE_SECONDS)
            self._next, self._failures = time.monotonic() + pause, min(self._failures + 1, 10)
            raise
        self._next, self._failures = 0.0 if has_more else started + self.seconds, 0
        return has_more

    def _act(self, lease: timedelta) -> Any:
        return self.action()


class EachTurn(Every):
    """A job that runs in each turn of the worker, in a thread that only such jobs use.

    The job may wait long for another server, such as a mail server. In its own thread it doesn't delay other jobs.
    """

    def __init__(self, action: Job) -> None:
        super().__init__(0.0, action)

    def _act(self, lease: timedelta) -> Any:
        return self.action(lease)


def declared_jobs() -> list[Every]:
    """Returns the jobs of all apps. Urgent jobs come first, so that slow jobs don't delay the urgent jobs."""
    jobs: list[Every] = []
    for app in apps.get_app_configs():
        for job in getattr(app, "background_jobs", list)():
            jobs.append(job if isinstance(job, Every) else EachTurn(job))
    return sorted(jobs, key=lambda job: not job.is_urgent)
