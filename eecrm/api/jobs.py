"""What a background job is: something that `manage.py run_worker` calls again and again, until it is stopped.

An AppConfig declares its own in a method `background_jobs()`, which returns a list of them.
"""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta

from django.apps import apps

# Called with the time for which a claim may hold a row; returns whether there may be more to do at once.
Job = Callable[[timedelta], bool]


class Every:
    """A job that a worker does when it starts, and then once in so many seconds, or at once where it returns True."""

    def __init__(self, seconds: float, action: Callable[[], bool | None]) -> None:
        self.seconds, self.action = seconds, action
        self._next = 0.0

    def __call__(self, lease: timedelta) -> bool:
        if time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + self.seconds
        has_more = bool(self.action())
        if has_more:
            self._next = 0.0
        return has_more


def declared() -> Iterator[Job]:
    for app in apps.get_app_configs():
        jobs = getattr(app, "background_jobs", None)
        yield from jobs() if jobs else ()
