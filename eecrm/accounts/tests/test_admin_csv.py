"""Lists of accounts into and out of the admin site: who may, what the pages say, what is recorded."""

import html
import logging
import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from access.database import acting_as
from access.policy import Role
from accounts.importing import admin_pages, saving
from accounts.models import AddressChange, User
from accounts.tests.people import ROW, account, lines, mails, stored
from conftest import PASSWORD, Caller, Visitor, World, shown

USERS = "/hidden-admin/accounts/user/"
IMPORT, EXPORT = USERS + "import/", USERS + "export/"


def chosen(content: str | bytes, **fields: str) -> dict[str, Any]:
    raw = content.encode() if isinstance(content, str) else content
    return {"file": SimpleUploadedFile("people.csv", raw, "text/csv"), "invites": "on"} | fields


def words(response: Any) -> str:
    """What is to be read on a page, in one line."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", response.content.decode())))


def signed(response: Any) -> dict[str, str]:
    """The form that confirms the page."""
    found = re.search(r'name="checked" value="([^"]*)"', response.content.decode())
    assert found, words(response)
    return {"checked": html.unescape(found[1])} | shown(response)


def check_and_confirm(browser: Visitor, content: str | bytes, **fields: str) -> str:
    page = browser.post(IMPORT, chosen(content, **fields))
    return words(browser.post(IMPORT, signed(page), follow=True))


@pytest.fixture
def manager(visit: Any) -> Visitor:
    browser: Visitor = visit("management")
    return browser


# --- who may


@pytest.mark.parametrize("name", ["management", "superuser"])
def test_managers_are_offered_both_lists(name: str, visit: Any) -> None:
    page = visit(name).get(USERS).content
    assert f'href="{IMPORT}"'.encode() in page
    assert f'href="{EXPORT}"'.encode() in page
    assert visit(name).get(IMPORT).status_code == 200
    assert visit(name).get(EXPORT).status_code == 200


def test_an_auditor_is_offered_neither_and_told_why(world: World, visit: Any, caplog: Any) -> None:
    browser, before = visit("auditor"), stored()
    page = browser.get(USERS).content
    assert IMPORT.encode() not in page
    assert EXPORT.encode() not in page
    with caplog.at_level(logging.INFO, "eecrm.security"):
        for address, sentence in (
            (IMPORT, "Your role may not create and change accounts."),
            (EXPORT, "Your role may not export accounts: the file holds personal data in full."),
        ):
            for response in (browser.get(address), browser.post(address, chosen(lines(ROW))), browser.post(address)):
                assert response.status_code == 403
                assert sentence in words(response)
                assert "epic.example" not in words(response)
    assert stored() == before
    events = {record.message for record in caplog.records if record.name == "eecrm.security"}
    assert events - {"session_created"} == {"authz_fail"}


@pytest.mark.parametrize("name", ["sales", "support", "partner"])
def test_nobody_else_gets_there(name: str, world: World, visit: Any) -> None:
    browser, before = visit(name), stored()
    assert browser.post(IMPORT, chosen(lines(ROW))).status_code == 302
    assert browser.post(EXPORT, {"role": ""}).status_code == 302
    assert stored() == before


def test_a_list_that_a_manager_had_checked_is_of_no_use_to_others(manager: Visitor, visit: Any, world: World) -> None:
    checked, auditor, boss = signed(manager.post(IMPORT, chosen(lines(ROW)))), visit("auditor"), visit("superuser")
    before = stored()
    assert auditor.post(IMPORT, checked).status_code == 403
    assert "or not for you: choose the file again." in words(boss.post(IMPORT, checked))
    assert stored() == before


# --- importing


def test_a_list_is_checked_shown_and_imported_when_it_is_confirmed(manager: Visitor, world: World) -> None:
    before = stored()
    content = lines("ada,Ada,ada@epic.example,support", "sales,Sonia,sales@epic.example,sales", "unlinked,Unlinked,unlinked@epic.example,Sales",
                    "support,Support,support@epic.example,support", header="username,first-name,E-Mail,ROLE")  # fmt: skip
    page = manager.post(IMPORT, chosen(content))
    said = words(page)
    assert "This is what the list would do: 1 account created, 2 changed, 1 unchanged, 1 invitation queued." in said
    assert "New Line Username Name Email Role Groups Invited 2 ada Ada ada@epic.example support yes" in said
    assert "3 sales first_name Sales Sonia 4 unlinked role external sales" in said
    assert (stored(), mails()) == (before, [])

    said = words(manager.post(IMPORT, signed(page), follow=True))
    assert "1 account created, 2 changed, 1 unchanged, 1 invitation queued." in said
    assert (account("ada").role, account("sales").first_name, account("unlinked").role) == ("support", "Sonia", "sales")
    assert stored()["ada"][-2].startswith("!")
    assert [mail for mail in mails() if mail[0] != "account_news"] == [("invitation", "ada", "")]
    assert Caller().post("/api/v1/users/login/", {"username": "sales", "password": PASSWORD}).status_code == 200


def test_new_accounts_are_invited_only_if_that_is_wished(manager: Visitor) -> None:
    page = manager.post(IMPORT, {key: value for key, value in chosen(lines(ROW)).items() if key == "file"})
    assert "0 invitations queued" in words(manager.post(IMPORT, signed(page), follow=True))
    assert account("ada").is_active
    assert mails() == []


def test_a_list_that_changes_nothing_has_nothing_to_confirm(manager: Visitor) -> None:
    page = manager.post(IMPORT, chosen(lines("sales,sales", header="username,role")))
    assert "The list would do nothing: 0 accounts created, 0 changed, 1 unchanged" in words(page)
    assert b'name="checked"' not in page.content


def test_problems_are_told_by_line_before_anything_is_asked(manager: Visitor) -> None:
    page = manager.post(IMPORT, chosen(lines(ROW.replace("support", "boss"), "sales,<b>,,no,sales,,,,yes")))
    said = words(page)
    assert "Nothing was imported, because of 2 problems: line 2, column 'role': 'boss' isn't a role" in said
    assert "line 3, column 'email': Enter a valid email address." in said
    assert b'name="checked"' not in page.content


def test_what_was_checked_is_asked_again_of_the_database_when_it_is_confirmed(manager: Visitor, world: World) -> None:
    page = manager.post(IMPORT, chosen(lines("other_management,sales", header="username,role")))
    list_ = signed(manager.post(IMPORT, chosen(lines("support,sales", "other_support,sales", header="username,role"))))
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="support").update(is_superuser=True)
    assert "'support' is a superuser, whom no file changes." in words(manager.post(IMPORT, list_))
    assert account("other_support").role == "support"
    manager.post(IMPORT, signed(page))
    assert account("other_management").role == "sales"


def test_what_decides_of_rights_is_shown_however_many_rows_there_are(
    groups: None, manager: Visitor, world: World, monkeypatch: Any
) -> None:
    monkeypatch.setattr(admin_pages, "MAX_ROWS_SHOWN", 1)
    rows = ["other_sales,Seller,yes,", "other_support,Carrier,yes,", "support,Helper,no,", "sales,Seller,yes,"]
    rows += ["first,A,no,", "second,B,no,", "third,C,no,Crew A"]
    page = words(manager.post(IMPORT, chosen(lines(*rows, header="username,job_title,is_active,groups"))))
    assert "is_active yes no" in page, page
    assert "third external Crew A" in page
    assert "Carrier" not in page and "second" not in page
    assert "all shown. 5 more rows are not." in page


def test_an_import_replaces_no_address_that_began_to_wait_after_its_check(manager: Visitor, world: World) -> None:
    list_ = signed(manager.post(IMPORT, chosen(lines("sales,new@epic.example", header="username,email"))))
    with acting_as(Role.MANAGEMENT, user_id=world.users["other_management"].pk):
        User.objects.filter(username="sales").update(email="other@epic.example")
    again = manager.post(IMPORT, list_)
    assert "once it is confirmed, instead of 'other@epic.example', which waits to be confirmed" in words(again)
    assert [change.address for change in AddressChange.objects.all()] == ["other@epic.example"]
    manager.post(IMPORT, signed(again))
    assert [change.address for change in AddressChange.objects.all()] == ["new@epic.example"]


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (
            "management,sales,yes",
            "line 2: Nobody changes their own role, status, activity or groups, or deletes their own account.",
        ),
        (
            "management,management,no",
            "line 2: Nobody changes their own role, status, activity or groups, or deletes their own account.",
        ),
        ("superuser,management,yes", "line 2, column 'username': 'superuser' is a superuser, whom no file changes."),
        ("sales,superuser,yes", "line 2, column 'role': A file makes no superusers"),
    ],
)
def test_a_manager_gets_no_further_with_a_file_than_without(
    row: str, sentence: str, manager: Visitor, world: World
) -> None:
    before = stored()
    page = manager.post(IMPORT, chosen(lines(row, "sales,support,yes", header="username,role,is_active")))
    assert sentence in words(page)
    assert b'name="checked"' not in page.content
    assert stored() == before


def test_nobody_changes_their_own_groups(groups: None, manager: Visitor, visit: Any) -> None:
    list_ = lines("management,Crew A", "sales,Crew A", header="username,groups")
    assert "line 2, column 'groups': Nobody changes their own groups." in words(manager.post(IMPORT, chosen(list_)))
    check_and_confirm(visit("superuser"), list_)
    assert account("management").group_names == account("sales").group_names == {"Crew A"}
    assert "2 unchanged" in words(manager.post(IMPORT, chosen(list_)))


@pytest.mark.parametrize("checked", ["", "x", "a:b:c", ".x:1:y", "\0", "é:é:é", "x" * 100_000])
def test_a_forged_confirmation_imports_nothing(checked: str, manager: Visitor, world: World) -> None:
    before = stored()
    response = manager.post(IMPORT, {"checked": checked})
    assert response.status_code == 200
    assert "This list was checked too long ago, or not for you: choose the file again." in words(response)
    assert stored() == before


def test_an_altered_or_old_confirmation_imports_nothing(manager: Visitor, world: World, monkeypatch: Any) -> None:
    checked, before = signed(manager.post(IMPORT, chosen(lines(ROW)))), stored()
    text = checked["checked"]
    half = len(text) // 2
    altered = text[:half] + ("A" if text[half] != "A" else "B") + text[half + 1 :]
    assert "choose the file again" in words(manager.post(IMPORT, checked | {"checked": altered}))
    monkeypatch.setattr("accounts.importing.uploads._EXPIRES", -1)
    assert "choose the file again" in words(manager.post(IMPORT, checked))
    assert stored() == before


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The file is empty."),
        (b"\xef\xbb\xbf\n", "The file is empty."),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0\xff\xd9\x8d\x81\x9d" * 40, "The file isn't text in an encoding"),
        (bytes(range(256)) * 2_000, ""),
        (b"\0" * 500_000, ""),
        (b'"' * 500_001, ""),
        (b"," * 500_000, ""),
        (b"username\n" + b"\n" * 900_000, "has no rows."),
        (lines(ROW.replace("Ada", "A\0da")).encode(), "It contains a NUL character, which no text has."),
        (b"username\n" + b"x" * 200_000, "field larger than field limit (131072)"),
        (b'username\n"open', "unexpected end of data"),
        (b",".join(b"c%d" % number for number in range(1_000)), "Unknown columns:"),
        (b"username,username\na,b", "2 columns are called 'username'"),
        ("username;rôle\nada;x".encode("utf-16"), "isn't a role"),
        (b"username\n" + b"a\n" * 5_001, "A page takes at most 5,000 rows: split the list, or have it imported"),
        (b"username\rsales\r", "The list would do nothing"),
        (b"x" * (1024 * 1024), "Choose a CSV file of at most 1 MiB."),
        (b"x" * (5 * 1024 * 1024), "Choose a CSV file of at most 1 MiB."),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_no_file_is_a_500(content: bytes, sentence: str, manager: Visitor, world: World) -> None:
    before = stored()
    response = manager.post(IMPORT, chosen(content))
    assert response.status_code == 200
    assert sentence in words(response)
    assert len(response.content) < 30_000
    assert stored() == before


@pytest.mark.parametrize(
    "fields", [{}, {"file": "text"}, {"file": ""}, {"invites": "\0"}, {"checked": ["a", "b"]}, {"file": ["a", "b"]}]
)
def test_no_form_is_a_500(fields: dict[str, Any], manager: Visitor) -> None:
    assert manager.post(IMPORT, fields).status_code == 200
    assert manager.post(IMPORT, fields, follow=True).status_code == 200
    assert manager.post(EXPORT, fields | {"role": "\0"}).status_code == 200
    assert manager.post(IMPORT, b"\0{", content_type="application/json").status_code == 200
    assert manager.post(IMPORT, b"--x\r\nbroken", content_type="multipart/form-data; boundary=x").status_code == 200


def test_a_list_that_is_too_large_to_be_sent_back_is_told(manager: Visitor) -> None:
    noise = "".join(chr(0x4E00 + (number * 7919 + number * number * 31) % 20_000) for number in range(340_000))
    rows = (f"user{number},{noise[number * 140 : number * 140 + 140]}" for number in range(2_400))
    page = manager.post(IMPORT, chosen(lines(*(f"{row},no" for row in rows), header="username,job_title,is_active")))
    assert "This list is too large for a page: split it, or have it imported on the server." in words(page)


def test_what_a_file_says_is_shown_and_not_run(manager: Visitor) -> None:
    attack = "<script>alert(1)</script>"
    page = manager.post(IMPORT, chosen(lines(f"ada,{attack},ada@epic.example", header="username,first_name,email")))
    assert attack.encode() not in page.content
    assert attack in html.unescape(page.content.decode())
    page = manager.post(IMPORT, chosen(lines("ada,x", header=f"username,{attack}")))
    assert attack.encode() not in page.content


# --- exporting


def test_an_export_is_a_file_and_what_is_imported_from_it_changes_nothing(manager: Visitor, world: World) -> None:
    response = manager.post(EXPORT, {"role": ""})
    assert response.status_code == 200
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(r'attachment; filename="accounts-\d{4}-\d\d-\d\d\.csv"', response["Content-Disposition"])
    assert "no-store" in response["Cache-Control"]
    assert b"argon2" not in response.content
    assert b"superuser" not in response.content
    page = manager.post(IMPORT, chosen(response.content))
    assert f"0 accounts created, 0 changed, {len(world.users) - 1} unchanged" in words(page)


def test_an_export_is_of_one_role_or_of_those_who_are_active(manager: Visitor, world: World) -> None:
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="other_sales").update(is_active=False)
    everybody = manager.post(EXPORT, {"role": "sales"}).content.decode().splitlines()
    assert [line.split(",")[0] for line in everybody[1:]] == ["other_sales", "sales"]
    active = manager.post(EXPORT, {"role": "sales", "active": "on"}).content.decode().splitlines()
    assert [line.split(",")[0] for line in active[1:]] == ["sales"]
    page = manager.post(EXPORT, {"role": "superuser"})
    assert "superuser is not one of the available choices." in words(page)


# --- what is recorded


def test_each_import_and_export_is_recorded_in_numbers(manager: Visitor, world: World, caplog: Any) -> None:
    with caplog.at_level(logging.INFO, "eecrm.security"):
        manager.post(IMPORT, chosen(lines(ROW)))  # a check leaves nothing
        check_and_confirm(manager, lines(ROW, "unlinked,,,u@epic.example,support,,,,yes"))
        manager.post(EXPORT, {"role": "support"})
    events = [record for record in caplog.records if record.name == "eecrm.security"]
    told = [(record.message, record.count, record.actor) for record in events]
    key = world.users["management"].pk
    assert told == [
        ("user_created", 1, key),
        ("user_updated", 1, key),
        ("privilege_permissions_changed", 1, key),
        ("authn_link_queued", 1, key),
        ("sensitive_read", 4, key),
    ]
    log = words(manager.get("/hidden-admin/admin/logentry/"))
    assert "Import of accounts Change 1 account created, 1 changed, 0 unchanged, 1 invitation queued." in log
    assert "Export of accounts Change 4 accounts exported." in log
    for secret in ("ada", "epic.example"):
        assert secret not in log
        # As a word: a request id has any three letters up to f in a row, now and then.
        assert not any(re.search(rf"\b{secret}\b", str(record.__dict__)) for record in events)
    assert manager.get("/hidden-admin/").status_code == 200


# --- many rows


@pytest.mark.parametrize("change", [None, ("Lead", "Head"), (",yes", ",no")], ids=["new", "changed", "deactivated"])
def test_statements_grow_with_the_batches_and_not_with_the_rows(
    change: tuple[str, str] | None, groups: None, manager: Visitor, monkeypatch: Any
) -> None:
    """So that 5,000 rows, the most that a page takes, stay far below the 30 s of a request. Both pages are counted."""

    def statements(count: int, name: str) -> tuple[int, int]:
        rows = [f"{name}{n},A{n},B,{name}{n}@epic.example,support,Lead,+33612345678,Crew A,yes" for n in range(count)]
        if change:
            check_and_confirm(manager, lines(*rows))
        rows = [row.replace(*change) for row in rows] if change else rows
        with CaptureQueriesContext(connection) as checking:
            page = manager.post(IMPORT, chosen(lines(*rows)))
        with CaptureQueriesContext(connection) as confirming:
            assert manager.post(IMPORT, signed(page)).status_code == 302
        return len(checking), len(confirming)

    monkeypatch.setattr(saving, "MAX_ACCOUNTS_PER_STATEMENT", 40)
    statements(1, "first")  # what a process asks once
    one, batch = statements(1, "one"), statements(saving.MAX_ACCOUNTS_PER_STATEMENT, "batch")
    assert batch == one
    more = statements(saving.MAX_ACCOUNTS_PER_STATEMENT + 1, "more")
    assert max(more[0] - one[0], more[1] - one[1]) <= 5
    assert max(more) < 60


def test_a_list_takes_no_address_of_an_account_in_use_away(manager: Visitor, visit: Any) -> None:
    with acting_as(Role.SUPERUSER):
        User.objects.create_user("newcomer", role=Role.SALES, email="newcomer@epic.example")
    content = lines("sales,,yes", "newcomer,,yes", "support,,no", header="username,email,is_active")
    said = words(manager.post(IMPORT, chosen(content)))
    assert "'sales' is in use and keeps an address: type another one, or deactivate it." in said
    assert "'support' is in use" not in said and "'newcomer' is in use" not in said
    assert "3 changed" in words(visit("superuser").post(IMPORT, chosen(content)))
