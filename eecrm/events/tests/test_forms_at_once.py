"""Two who send forms of the admin site at the same moment."""

import os
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from threading import Event as Signal
from typing import Any

import pytest
from django.db import connection

from access.database import acting_as
from access.policy import Role
from audit.tests.site_forms import Tab, form_on
from conftest import Visitor, World
from contracts.models import Contract
from events.models import Event
from events.tests.test_made_once import ADMIN, stored, typed_in

ROUNDS = int(os.environ.get("ROUNDS", "3"))  # CI plays them 100 times


@pytest.fixture
def at_once(committed_world: World, settings: Any) -> Any:
    """Sends forms at the same moment, each in a thread with a browser of its own; all are logged in as the same manager."""
    settings.RATE_LIMITS = {name: (10_000_000, seconds) for name, (_, seconds) in settings.RATE_LIMITS.items()}
    browser = Visitor()
    browser.force_login(committed_world.users["management"])

    def send(path: str, form: dict[str, Any], start: Barrier) -> Any:
        visitor = Visitor()
        visitor.cookies = browser.cookies
        try:
            start.wait(timeout=30)
            return visitor.post(path, form)
        finally:
            connection.close()

    def crowd(path: str, *forms: dict[str, Any]) -> list[Any]:
        with ThreadPoolExecutor(len(forms)) as pool:
            size = len(forms)
            return list(pool.map(send, [path] * size, forms, [Barrier(size)] * size, timeout=60))

    crowd.browser = browser  # type: ignore[attr-defined]  # ours
    return crowd


def test_of_two_at_once_one_is_made(committed_world: World, at_once: Any) -> None:
    path = f"{ADMIN}contracts/contract/add/"
    for number in range(ROUNDS):
        typed = typed_in("contracts/contract", committed_world) | {"name": f"Twice {number}", "_continue": "1"}
        form = form_on(at_once.browser.get(path)) | {name: str(value) for name, value in typed.items()}
        answers = at_once(path, form, form)
        (row,) = stored(Contract, name=f"Twice {number}")
        assert {answer.url for answer in answers} == {f"{ADMIN}contracts/contract/{row.pk}/change/"}


def test_a_change_that_began_before_the_page_and_ended_after_it_is_seen(committed_world: World) -> None:
    """Its entry is older than the page, by number and by time: a snapshot alone tells."""
    row, written, opened = committed_world.own_event, Signal(), Signal()

    def write() -> None:
        try:
            with acting_as(Role.SUPERUSER):
                Event.objects.filter(pk=row.pk).update(location="New place")
                written.set()
                assert opened.wait(timeout=30)
        finally:
            connection.close()

    browser = Visitor()
    browser.force_login(committed_world.users["management"])
    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write)
        assert written.wait(timeout=30)
        tab = Tab(browser, f"{ADMIN}events/event/{row.pk}/delete/")
        opened.set()
        writer.result(timeout=30)
    assert tab.send().status_code == 200
    assert [one.person.text for one in tab.page.context["changes"]] == [""]
    assert tab.send().status_code == 302


def test_of_two_at_once_who_change_one_field_one_is_asked(committed_world: World, at_once: Any) -> None:
    """Without the lock both would find the field as it was shown."""
    row = committed_world.own_draft
    path = f"{ADMIN}contracts/contract/{row.pk}/change/"
    for number in range(ROUNDS):
        form = form_on(at_once.browser.get(path))
        answers = at_once(
            path, *({**form, "name": f"{name} {number}", "_save": "Save"} for name in ("First", "Second"))
        )
        assert sorted(answer.status_code for answer in answers) == [200, 302]
        won = next(name for name, answer in zip(("First", "Second"), answers, strict=True) if answer.status_code == 302)
        assert stored(Contract, pk=row.pk)[0].name == f"{won} {number}"
