"""A reason that can't be kept is shown again on its page, with what is wrong beside it; nothing is done meanwhile."""

import html
import re
from typing import Any
from urllib.parse import quote

import pytest

from access.database import acting_as
from access.policy import Role
from audit.models import Entry
from conftest import API, Caller, World
from events.tests.test_confirmed_pages import account_deleted, deleted, handed_over, restored, undone
from events.tests.test_reasons import form_of, page_of
from events.tests.trail import last

NOUNS = ("own_client", "own_draft", "own_event")
ACCOUNT = {"username": "unlinked", "role": "external", "is_active": "on", "first_name": "Typed"}
UNFIT = {
    "Asked by phone\u200b, confirmed": "a character that can't be seen (ZERO WIDTH SPACE, U+200B) after “Asked by phone”.",
    "\u202edenrut": "a character that can't be seen (RIGHT-TO-LEFT OVERRIDE, U+202E) at its beginning.",
    "Rang\x07 twice": "a character that can't be seen (no name, U+0007) after “Rang”.",
    "Two\nlines": "a line break after “Two”.",
    "x" * 2_100: "2,100.",
}
MENDED = {
    "Asked\tby phone": "Asked by phone",
    "D\u2019accord\u202f: lundi\u00a0!\u3000": "D\u2019accord : lundi !",
}


def of_change(noun: str) -> Any:
    typed = {"last_name" if noun == "own_client" else "name": "Typed"}
    return lambda world, look: (page_of(row := getattr(world, noun)) + "change/", form_of(row) | typed)


def of_deletion(noun: str) -> Any:
    def page(world: World, look: Any) -> tuple[str, dict[str, Any]]:
        if noun == "own_client":
            return looked(deleted)(world, look)
        row = world.other_draft if noun == "own_draft" else world.own_event
        address = page_of(row) + "delete/"
        return address, look(address, {"post": "yes"})

    return page


def looked(make: Any) -> Any:
    """A page that shows first what it will do."""

    def page(world: World, look: Any) -> tuple[str, dict[str, Any]]:
        made = make(world)
        return made.address, look(made.address, made.form)

    return page


def client_added(world: World, look: Any) -> tuple[str, dict[str, Any]]:
    return "/hidden-admin/clients/client/add/", form_of(world.own_client) | {"email": "new@new.example"}


def account_changed(world: World, look: Any) -> tuple[str, dict[str, Any]]:
    return page_of(world.users["unlinked"]) + "change/", ACCOUNT


def account_added(world: World, look: Any) -> tuple[str, dict[str, Any]]:
    form = {"username": "newcomer", "role": "sales", "email": "n@epic.example"}
    return "/hidden-admin/accounts/user/add/", form


PAGES = {
    **{f"change of {noun}": of_change(noun) for noun in NOUNS},
    **{f"deletion of {noun}": of_deletion(noun) for noun in NOUNS},
    "new client": client_added,
    "change of an account": account_changed,
    "new account": account_added,
    "deletion of an account": looked(account_deleted),
    "hand-over": looked(handed_over),
    "restoration": looked(restored),
    "undoing": looked(undone),
}


@pytest.fixture
def page(request: Any, world: World, visit: Any) -> Any:
    manager = visit("management")

    def seen(address: str, form: dict[str, Any]) -> dict[str, Any]:
        found = re.search(r'name="shown" value="([^"]*)"', manager.post(address, form).content.decode())
        assert found
        return form | {"shown": html.unescape(found[1])}

    address, form = PAGES[request.param](world, seen)
    return lambda reason: manager.post(address, form | {"change_reason": reason})


def count_of_entries() -> int:
    with acting_as(Role.SUPERUSER):
        return Entry.objects.count()


@pytest.mark.parametrize("page", PAGES, indirect=True)
def test_an_unfit_reason_is_shown_again_beside_what_is_wrong(page: Any) -> None:
    written = count_of_entries()
    for reason, fault in UNFIT.items():
        answer = page(reason)
        assert answer.status_code == 200
        said = answer.content.decode()
        row = re.search(
            r'<div class="form-row[^"]*\berrors\b[^"]*"(?:(?!class="form-row).)*?name="change_reason"[^>]*>', said, re.S
        )
        assert row, "the error is at the field"
        value = re.search(r'name="change_reason"[^>]*? value="([^"]*)"', said) or re.search(
            r'value="([^"]*)"[^>]*? name="change_reason"', said
        )
        assert value
        assert html.unescape(value[1]).rstrip("\n") == reason
        sentence = "A reason is a line of text in UTF-8 of at most 500 characters. This one has " + fault
        assert sentence in html.unescape(row[0])
    assert count_of_entries() == written
    assert page("Agreed on Friday").status_code == 302
    assert count_of_entries() > written


@pytest.mark.parametrize(("typed", "kept"), MENDED.items())
def test_pasted_spaces_become_plain(typed: str, kept: str, world: World, visit: Any) -> None:
    row = world.own_draft
    form = form_of(row) | {"name": "Retyped", "change_reason": typed}
    assert visit("management").post(page_of(row) + "change/", form).status_code == 302
    assert last(row).reason == kept
    header = {"HTTP_X_CHANGE_REASON": typed.encode().decode("latin-1")}
    caller = Caller.as_user(world.users["management"])
    assert caller.patch(f"{API}contracts/{row.pk}/", {"name": "Again"}, **header).status_code == 200
    assert (last(row).new["name"], last(row).reason) == ("Again", kept)


# Headers as bytes, and the reason that the trail keeps.
SENT = {
    "pas été payé".encode(): "pas été payé", b"UTF-8''pas%20%C3%A9t%C3%A9%20pay%C3%A9": "pas été payé", b"utf-8'fr'Pay%c3%a9": "Payé",
    b"UTF-8''" + quote("Agréé (l'été) *!~", safe="!'()*~").encode(): "Agréé (l'été) *!~", b"UTF-8''%F0%9F%8E%89%20%E6%B4%BE%E5%AF%B9": "🎉 派对",
    b"UTF-8''" + quote("é" * 500).encode(): "é" * 500, b"100%25 sure": "100%25 sure", b"UTF-8 isn't 'all'": "UTF-8 isn't 'all'",
    b"Pay%C3%A9": "Pay%C3%A9", b"UTF-8''%20Paid%C2%A0now%20": "Paid now",
}  # fmt: skip
UNREADABLE = (
    b"pas \xe9t\xe9 pay\xe9", b"UTF-8''pas \xc3\xa9t\xc3\xa9", b"UTF-8''%C3", b"UTF-8''%E9t%E9", b"UTF-8''%", b"UTF-8''%4", b"UTF-8''%zz", b"UTF-8''a b",
    b"UTF-8'paid", b"UTF-8'f r'paid", b"UTF-8''a\"b", b"UTF-8''%ED%A0%80",
)  # fmt: skip


@pytest.mark.parametrize(("sent", "kept"), SENT.items(), ids=ascii)
def test_a_reason_comes_in_utf8_or_in_the_form_of_rfc_8187(sent: bytes, kept: str, world: World) -> None:
    caller, url = Caller.as_user(world.users["management"]), f"{API}contracts/{world.own_signed.pk}/"
    header = {"HTTP_X_CHANGE_REASON": sent.decode("latin-1")}
    assert caller.patch(url, {"status": "draft"}, **header).status_code == 200
    assert last(world.own_signed).reason == kept


@pytest.mark.parametrize("sent", UNREADABLE, ids=ascii)
def test_what_is_neither_form_is_refused_and_quoted(sent: bytes, world: World, sales: Caller) -> None:
    answer = sales.get(f"{API}clients/", HTTP_X_CHANGE_REASON=sent.decode("latin-1"))
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "X-Change-Reason"
    assert "UTF-8''pas%20%C3%A9t%C3%A9%20pay%C3%A9" in error["detail"]
    assert f"You sent “{sent.decode('latin-1')}”." in error["detail"]


@pytest.mark.parametrize(
    "encoded", [b"UTF-8''Two%0Alines", b"UTF-8''nul%00", b"UTF-8''%E2%80%AEdenrut", b"UTF-8''" + b"%C3%A9" * 501]
)
def test_an_encoded_reason_is_one_line_of_visible_text_too(encoded: bytes, world: World, sales: Caller) -> None:
    (error,) = sales.get(f"{API}clients/", HTTP_X_CHANGE_REASON=encoded.decode()).json()["errors"]
    assert error["pointer"] == "X-Change-Reason"
    assert error["detail"].startswith("A reason is a line of text in UTF-8 of at most 500 characters. This one has")


def test_a_deletion_that_the_database_refuses_keeps_what_was_typed(world: World, visit: Any) -> None:
    """The page offers it: only the database knows that no other manager is active."""
    account = world.users["management"]
    boss, address = visit("superuser"), page_of(account) + "delete/"
    with acting_as(Role.SUPERUSER):
        type(account).objects.filter(username="other_management").update(is_active=False)
    written = count_of_entries()
    answer = boss.confirm(address, {"post": "yes", "change_reason": "Leaves"})
    assert answer.status_code == 200
    assert answer.context["deletion_form"].non_field_errors()
    assert b'value="Leaves"' in answer.content
    assert str(answer.context["deletion_form"].non_field_errors()[0]) in html.unescape(answer.content.decode())
    assert count_of_entries() == written
