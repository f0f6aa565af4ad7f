"""A confirmed page names each line that is new, has changed or is gone, and bounds what it lists."""

from typing import Any

from django.test import RequestFactory

from access.confirmation import CONFIRMATION_FIELD, MAX_DIFFERENCES, Confirmation, Line
from accounts.models import User

OLD, NEW = Line("client 7", "Own Company", "1"), Line("client 8", "Other Company", "1")


def confirmation(*lines: Line, token: str = "", user: int = 1) -> Confirmation:
    request: Any = RequestFactory().post("/", {CONFIRMATION_FIELD: token} if token else {})
    request.user = User(pk=user)
    return Confirmation(request, "a page", lines)


def test_what_was_shown_is_confirmed() -> None:
    shown = confirmation(OLD, NEW)
    assert not shown.is_given
    again = confirmation(OLD, NEW, token=shown.token)
    assert (again.is_given, again.differences) == (True, [])


def test_each_difference_is_named_and_confirms_nothing() -> None:
    shown = confirmation(OLD)
    for lines, differences in (
        ([OLD, NEW], ["client 8 is new here: Other Company."]),
        ([OLD, Line("client 9")], ["client 9 is new here."]),
        ([OLD._replace(outcome="Renamed")], ["client 7 has changed: Own Company before, Renamed now."]),
        ([OLD._replace(state="2")], ["client 7 has changed."]),
        ([NEW], ["client 8 is new here: Other Company.", "client 7 is no longer here."]),
        ([], ["client 7 is no longer here."]),
    ):
        found = confirmation(*lines, token=shown.token)
        assert (found.is_given, found.differences) == (False, differences)


def test_the_page_of_another_account_confirms_nothing() -> None:
    shown = confirmation(OLD)
    for token, user in ((shown.token, 2), (shown.token[:-1], 1), ("x", 1)):
        found = confirmation(OLD, token=token, user=user)
        assert (found.is_given, found.differences) == (False, ["This page wasn't shown to you in this form."])


def test_many_differences_are_a_number() -> None:
    lines = [Line(f"client {number}") for number in range(MAX_DIFFERENCES + 3)]
    found = confirmation(*lines, token=confirmation().token)
    assert len(found.differences) == MAX_DIFFERENCES + 1
    assert found.differences[-1] == "And 3 more."
