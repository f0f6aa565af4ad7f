"""A username has one spelling, whichever way it came in; it shows what it is."""

from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from access.database import acting_as, enter
from access.policy import Role
from accounts.management.commands import create_first_manager
from accounts.models import User, normalise_username
from accounts.tests.people import ROW, lines, newcomer, run_import
from accounts.tests.test_admin_accounts import USERS, form_of
from conftest import World

# What stands after each is one username with what stands before it.
LOOK_ALIKE = [
    "sales\u3164",
    "sa\u1160les",
    "sal\uffa0es",
    "sales\u115f",
    "sales\ufe0f",
    "sales\U000e0100",
    "sales\u2800",
    "sales\u17b4",
    "sales\u034f",
    "ＳＡＬＥＳ",
]
NO_USERNAMES = [
    "\u115f\u115f", "\u3164", "\ufdfb", "⑵", "½", "a b", "a\u00a0b", "www.evil",
    "WWW.evil", "http://evil.example", "a/b", "i❤ws",
]  # fmt: skip
GOOD = [
    "neil.o",
    "anna.smith",
    "anna@epic.example",
    "j.r.r-tolkien",
    "müller",
    "李小龍",
    "anna-smith",
    "+33",
    "-x",
    "_",
]


def new(username: str) -> dict[str, str]:
    return {"username": username, "first_name": "", "last_name": "", "email": "new@epic.example", "role": "external"}


@pytest.mark.parametrize("username", LOOK_ALIKE)
def test_what_looks_like_a_username_is_that_one(username: str, world: World, visit: Any) -> None:
    page = visit("management").post(USERS + "add/", new(username))
    assert b"An account with this username exists already." in page.content
    with acting_as(Role.SUPERUSER):
        assert User.objects.get(username=username) == User.objects.get(username="sales")


@pytest.mark.parametrize("username", NO_USERNAMES)
def test_what_is_no_username_is_told_on_each_page(username: str, world: World, visit: Any) -> None:
    manager, sales = visit("management"), world.users["sales"]
    for page in (
        manager.post(USERS + "add/", new(username)),
        manager.post(f"{USERS}{sales.pk}/change/", form_of(sales, username=username)),
    ):
        errors = page.context["adminform"].form.errors
        assert set(errors) == {"username"}
        assert "letters, digits" in str(errors) or "cannot be blank" in str(errors) or "is required" in str(errors)


@pytest.mark.parametrize("username", NO_USERNAMES)
def test_neither_an_import_nor_a_command_takes_it(
    username: str, world: World, tmp_path: Path, monkeypatch: Any
) -> None:
    with pytest.raises(CommandError, match="username|Username"):
        run_import(tmp_path / "people.csv", lines(ROW.replace("ada", username, 1)))
    monkeypatch.setattr(create_first_manager, "_refuse_second", lambda: None)
    with pytest.raises(CommandError, match="--username: "):
        call_command("create_first_manager", "--username", username, "--email", "first@epic.example")


@pytest.mark.parametrize("username", GOOD)
def test_what_is_a_username_is_stored_and_comes_back(username: str, world: World, visit: Any, tmp_path: Path) -> None:
    assert visit("management").post(USERS + "add/", new(username)).status_code == 302
    path = tmp_path / "people.csv"
    call_command("export_users", str(path), "--verbosity=0")
    assert "0 accounts created, 0 changed" in run_import(path, path.read_bytes())


@pytest.mark.parametrize(
    "username",
    ["", "a b", "A", "\u3164", "x\u200b", "ﬁn", "www.x", "a/b", "a'b", "a\nb", "a`b", "a[b", "a^b", "a~b", "a:b"],
)
def test_sql_writes_none_either(username: str, world: World) -> None:
    with pytest.raises(DatabaseError, match="user_username_(form|lowercase)"), transaction.atomic():
        enter(Role.SUPERUSER)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE accounts_user SET username = %s WHERE username = 'unlinked'", [username])


@pytest.mark.parametrize("username", GOOD)
def test_sql_writes_the_others(username: str, world: World) -> None:
    assert newcomer(username, email="x@epic.example").username == username


@pytest.mark.parametrize("text", ["\uffa0", "\u3164a", "\u0345", "Ⓐ", "\u1e9e", "ﷺ", "\u03d2\u0308", "x\u1160\u0301"])
def test_a_spelling_stays_as_it_is(text: str) -> None:
    once = normalise_username(text)
    assert normalise_username(once) == once
