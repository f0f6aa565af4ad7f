"""Pages for people show and take local times of the staff's zone, and name it; no time is without a zone."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from access.database import acting_as
from access.policy import Role
from audit.tests.site_forms import Tab
from conftest import World, make_contract
from contracts.models import Contract
from events.models import Event
from events.tests.test_nobody_overwrites import fresh, place
from events.tests.trail import last

SITE = "/hidden-admin/"


@pytest.fixture
def event(world: World) -> Event:
    return world.own_event


def tab_of(event: Event, visit: Any, starts_at: str) -> Tab:
    with acting_as(Role.SUPERUSER):
        Event.objects.filter(pk=event.pk).update(starts_at=starts_at, ends_at=None)
    return Tab(visit("management"), place(event))


@pytest.mark.parametrize(
    ("starts_at", "day", "clock"),
    [
        ("2027-06-12T18:00:00Z", "12/06/2027", "20:00:00"), ("2027-12-12T18:00:00Z", "12/12/2027", "19:00:00"),
        ("2027-12-31T23:30:00Z", "01/01/2028", "00:30:00"), ("2027-10-31T00:30:00Z", "31/10/2027", "02:30:00 +02:00"),
        ("2027-10-31T01:30:00Z", "31/10/2027", "02:30:00 +01:00"), ("2027-03-28T01:30:00Z", "28/03/2027", "03:30:00"),
    ],
)  # fmt: skip
def test_a_form_shows_local_times_and_keeps_them(
    starts_at: str, day: str, clock: str, event: Event, visit: Any
) -> None:
    tab = tab_of(event, visit, starts_at)
    assert (tab.form["starts_at_0"], tab.form["starts_at_1"]) == ([day], [clock])
    assert b"Local time in Europe/Paris." in visit("management").get(place(event)).content
    assert tab.send(name="Renamed").status_code == 302
    row = fresh(event)
    assert (row.name, row.starts_at) == ("Renamed", datetime.fromisoformat(starts_at))
    assert "starts_at" not in last(event).new


@pytest.mark.parametrize(
    ("day", "clock", "moment"),
    [
        ("2027-06-12", "20:00", "2027-06-12T18:00:00Z"), ("12/06/2027", "20:00:30", "2027-06-12T18:00:30Z"),
        ("2027-12-12", "20:00", "2027-12-12T19:00:00Z"), ("2027-10-31", "02:30 +02:00", "2027-10-31T00:30:00Z"),
        ("2027-10-31", "02:30:00+01:00", "2027-10-31T01:30:00Z"), ("2027-06-12", "20:00 -05:00", "2027-06-13T01:00:00Z"),
    ],
)  # fmt: skip
def test_a_form_takes_local_times(day: str, clock: str, moment: str, event: Event, visit: Any) -> None:
    tab = tab_of(event, visit, "2027-01-01T00:00:00Z")
    assert tab.send(starts_at_0=day, starts_at_1=clock).status_code == 302
    assert fresh(event).starts_at == datetime.fromisoformat(moment)


@pytest.mark.parametrize(
    ("day", "clock", "sentence"),
    [
        ("2027-10-31", "02:30", "In Europe/Paris 02:30 comes twice on this day: write 02:30 +02:00 or 02:30 +01:00."),
        ("2027-03-28", "02:30", "In Europe/Paris there is no 02:30 on this day, because the clocks go forward."),
        ("2027-06-12", "20:00 +99:00", "Enter a valid time."), ("2027-06-12", "20:00 CEST", "Enter a valid time."),
        ("2027-06-12", "", "This field is required."), ("", "20:00", "This field is required."), ("0001-01-01", "00:00", "Enter a valid date."),
        ("2027-06-12", "+02:00", "Enter a valid time."), ("9999-12-31", "23:00 -05:00", "Enter a valid date."),
        ("9999-12-31", "23:59 +00:00", "Enter a valid date."),
    ],
)  # fmt: skip
def test_a_time_that_is_no_moment_is_refused_at_its_field(
    day: str, clock: str, sentence: str, event: Event, visit: Any
) -> None:
    tab = tab_of(event, visit, "2027-01-01T00:00:00Z")
    page = tab.send(starts_at_0=day, starts_at_1=clock)
    assert page.status_code == 200
    assert page.context["adminform"].form.errors["starts_at"] == [sentence]
    assert fresh(event).starts_at == datetime(2027, 1, 1, tzinfo=UTC)


def test_lists_and_the_trail_tell_the_zone(event: Event, visit: Any) -> None:
    tab = tab_of(event, visit, "2027-12-31T23:30:00Z")
    assert tab.send(starts_at_0="2028-01-01", starts_at_1="00:45").status_code == 302
    manager = visit("management")
    events = manager.get(f"{SITE}events/event/").content.decode()
    assert "1 January 2028, 12:45 a.m." in events or "1 Jan 2028" in events
    assert "Times are local times in Europe/Paris." in events
    history = manager.get(place(event, "history")).content.decode()
    assert "2028-01-01 00:30:00 CET" in history
    assert "2028-01-01 00:45:00 CET" in history
    assert "time (europe/paris)" in manager.get(f"{SITE}audit/entry/").content.decode().lower()


# At every moment at least one of the two has another day than UTC.
FAR = ("Pacific/Kiritimati", "Pacific/Pago_Pago")


def test_a_day_of_the_trail_is_a_local_day(event: Event, visit: Any, settings: Any) -> None:
    tab_of(event, visit, "2027-01-01T00:00:00Z")
    at = last(event).at
    far = next(zone for zone in FAR if at.astimezone(ZoneInfo(zone)).date() != at.astimezone(UTC).date())
    settings.STAFF_TIME_ZONE = far
    address = f"{SITE}audit/entry/?object={event.pk}&day="
    found = {day: visit("management").get(f"{address}{day}").context["cl"].result_count for day in
             (at.astimezone(ZoneInfo(far)).date(), at.astimezone(UTC).date())}  # fmt: skip
    assert found[at.astimezone(ZoneInfo(far)).date()] > 0
    assert found[at.astimezone(UTC).date()] == 0


def test_overdue_is_by_the_day_in_utc_on_pages_too(world: World) -> None:
    with acting_as(Role.SUPERUSER):
        for days in range(-2, 3):
            due = datetime.now(UTC).date() + timedelta(days=days)
            make_contract(world.own_client, f"Due {days}", signed=True, payment_due=due)
        for zone in FAR:
            with timezone.override(zone):
                found = Contract.objects.overdue().filter(name__startswith="Due").order_by("-name")
                assert [row.name for row in found] == ["Due -2", "Due -1"]
