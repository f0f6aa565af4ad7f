"""What a background job is: something that `manage.py run_worker` calls again and again, until it is stopped.

An AppConfig declares its own in a method `background_jobs()`, which returns a list of them.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.apps import apps

# Called with the time for which a claim may hold a row; returns whether there may be more to do at once.
Job = Callable[[timedelta], bool]

FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 5.0, 300.0  # seconds that a job that fails waits: twice as long each time


class Every:
    """A job that a worker does when it starts, and then once in so many seconds, or at once where it returns True."""

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
    """A job that a worker does again and again beside the others: it may wait long for somebody else, as for a mail server."""

    def __init__(self, action: Job) -> None:
        super().__init__(0.0, action)

    def _act(self, lease: timedelta) -> Any:
        return self.action(lease)


def declared() -> list[Every]:
    """The jobs of all apps, the urgent ones first: each comes before whatever takes long."""
    found: list[Every] = []
    for app in apps.get_app_configs():
        for job in getattr(app, "background_jobs", list)():
            found.append(job if isinstance(job, Every) else EachTurn(job))
    return sorted(found, key=lambda job: not job.is_urgent)
