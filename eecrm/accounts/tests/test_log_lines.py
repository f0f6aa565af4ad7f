"""No log line holds what a caller typed, wherever it was refused (`security.md` 30): `no_secret_is_logged` reads them all."""

import json
import logging
from typing import Any

import pytest

from api.requests.logs import JSONFormatter
from conftest import API, TYPED, Caller, Visitor, World

SITE = "/hidden-admin/"
LISTS = ("accounts/user/", "clients/client/", "contracts/contract/", "events/event/")
FORM_FIELDS = (
    "client",
    "sales_contact",
    "contract",
    "support_contact",
    "role",
    "amount",
    "starts_at",
    "attendees",
    "email",
    "page_version",
)


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Any:
    """The lines since the last call, as production writes them, with which the test can look at what is left."""
    caplog.set_level(logging.INFO)

    def read() -> list[dict[str, Any]]:
        written = [json.loads(JSONFormatter().format(record)) for record in caplog.records]
        caplog.clear()
        return written

    return read


def silent(found: list[dict[str, Any]]) -> bool:
    """Whether nothing that was typed is in the lines, and none is an error or long: nothing of ours is to blame."""
    assert found, "nothing was logged"
    assert not [line for line in found if TYPED in json.dumps(line)]
    assert not [
        line
        for line in found
        if "exception" in line or line["level"] in ("error", "critical") and line["logger"] == "eecrm.request"
    ]
    return max(len(json.dumps(line)) for line in found) < 2_000


@pytest.mark.parametrize("page", LISTS)
@pytest.mark.parametrize("name", ["management", "auditor"])
def test_what_is_chosen_in_a_list_is_not_logged(page: str, name: str, world: World, visit: Any, lines: Any) -> None:
    browser = visit(name)
    for action in ("delete_selected", TYPED, "reset_second_factor"):
        for more in ({}, {"post": "yes", "shown": TYPED}):
            assert browser.post(SITE + page, {"action": action, "_selected_action": [TYPED]} | more).status_code < 500
    assert silent(lines())


@pytest.mark.parametrize("page", LISTS)
def test_what_is_typed_into_a_form_or_an_address_is_not_logged(page: str, world: World, visit: Any, lines: Any) -> None:
    browser = visit("management")
    for name in FORM_FIELDS:
        assert browser.post(f"{SITE}{page}add/", {name: TYPED}).status_code < 500
        for path in (
            f"add/?{name}={TYPED}",
            f"?{name}={TYPED}",
            f"?{name}__exact={TYPED}",
            f"?{name}__id__exact={TYPED}",
        ):
            assert browser.get(f"{SITE}{page}{path}").status_code < 500
    for path in (
        f"{TYPED}/change/",
        f"?q={TYPED}%00",
        f"?o={TYPED}",
        f"?p={TYPED}",
        f"?e={TYPED}",
        f"{TYPED}/delete/",
        f"{TYPED}/history/",
    ):
        assert browser.get(f"{SITE}{page}{path}").status_code < 500
    assert silent(lines())


@pytest.mark.parametrize(
    "path", [SITE + "login/", "/admin/login/", "/admin/", "/account/forgotten/", f"/{TYPED}/", f"{API}{TYPED}/"]
)
def test_what_nobody_in_particular_sends_is_not_logged(path: str, world: World, lines: Any) -> None:
    fields = {f"{TYPED}{number}": TYPED for number in range(1_500)}
    checked = Visitor(enforce_csrf_checks=True, raise_request_exception=False)
    for browser in (Visitor(raise_request_exception=False), checked):
        for body in ({"username": TYPED, "password": TYPED}, {"account": TYPED}, fields, {"username": TYPED * 1_000}):
            assert browser.post(path, body).status_code < 500
        assert browser.get(path, fields).status_code < 500
        assert browser.generic("POST", path, TYPED.encode(), "multipart/form-data; boundary=x").status_code < 500
        assert (
            browser.post(path, {}, HTTP_REFERER=f"https://{TYPED}/", HTTP_ORIGIN=f"https://{TYPED}").status_code < 500
        )
    assert silent(lines())


@pytest.mark.parametrize("name", ["management", "anonymous"])
def test_what_is_sent_to_the_api_is_not_logged(name: str, world: World, caller: Any, lines: Any) -> None:
    person: Caller = caller(name)
    for path in (
        "users/login/",
        "users/refresh/",
        "users/logout/",
        "users/me/",
        "users/me/email/",
        "users/me/password/",
        "clients/",
        "events/1/",
    ):
        for body in (
            {TYPED: TYPED},
            {"username": TYPED, "password": TYPED, "refresh": TYPED, "email": TYPED},
            [TYPED],
            TYPED,
        ):
            for send in (person.post, person.patch):
                assert send(API + path, body, format="json").status_code < 500
        assert (
            person.get(f"{API}{path}", {"search": TYPED, "ordering": TYPED, TYPED: TYPED, "cursor": TYPED}).status_code
            < 500
        )
    assert silent(lines())


def test_what_django_refuses_is_told_by_its_type_and_place(world: World, visit: Any, lines: Any) -> None:
    lines()
    assert visit("management").get(f"{SITE}contracts/contract/add/?client={TYPED}").status_code == 400
    told = [line for line in lines() if "error" in line]
    assert [line["logger"] for line in told] == ["eecrm.admin", "django.security.SuspiciousOperation"]
    assert all(".py:" in line["error"] for line in told)
    assert told[0]["error"].startswith(("ValueError at ", "ValidationError at "))


def test_a_fault_of_ours_keeps_its_traceback() -> None:
    try:
        raise KeyError("ours")
    except KeyError as error:
        record = logging.LogRecord(
            "eecrm.request", logging.ERROR, "x.py", 1, "unforeseen", None, (KeyError, error, error.__traceback__)
        )
    line = json.loads(JSONFormatter().format(record))
    assert line["message"] == "unforeseen"
    assert "KeyError: 'ours'" in line["exception"]
