"""A reason that can't be kept is shown again on its page, with what is wrong beside it; nothing is done meanwhile."""

import html
import re
from typing import Any

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
