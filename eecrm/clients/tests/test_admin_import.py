"""Lists of clients in the admin site: choose a file, see what it would do, confirm it."""

import html
import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile

from access.database import acting_as
from access.policy import Role
from clients.models import Client
from clients.tests.lists import HEADER, REAL_LIST, ROW, lines, newest, stored
from conftest import Visitor, World, make_client, shown

CLIENTS = "/hidden-admin/clients/client/"
IMPORT = CLIENTS + "import/"
BAD = ROW.replace("ingrid@", "nora@").replace("22 12 34 56", "30901820.0")


def words(response: Any) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", response.content.decode())))


def signed(response: Any) -> dict[str, str]:
    found = re.search(r'name="checked" value="([^"]*)"', response.content.decode())
    assert found, words(response)
    return {"checked": html.unescape(found[1])}


@pytest.fixture
def visit(world: World) -> Any:
    def log_in(name: str) -> Visitor:
        browser = Visitor()
        browser.force_login(world.users[name])
        return browser

    return log_in


@pytest.fixture
def check(world: World, visit: Any) -> Any:
    def run(content: str | bytes, *, browser: Any = None, **fields: Any) -> Any:
        raw = content.encode() if isinstance(content, str) else content
        file = SimpleUploadedFile("list.csv", raw, "text/csv")
        form = {"file": file, "sales_contact": world.users["sales"].pk} | fields
        return (browser or visit("management")).post(IMPORT, form)

    return run


@pytest.mark.parametrize("name", ["management", "superuser"])
def test_managers_are_offered_the_import(name: str, world: World, visit: Any) -> None:
    assert f'href="{IMPORT}"'.encode() in visit(name).get(CLIENTS).content
    assert visit(name).get(IMPORT).status_code == 200


def test_an_auditor_is_not(world: World, visit: Any) -> None:
    assert IMPORT.encode() not in visit("auditor").get(CLIENTS).content
    answer = visit("auditor").get(IMPORT)
    assert (answer.status_code, "may not create clients for others" in words(answer)) == (403, True)


def test_a_list_is_checked_and_then_imported(check: Any, world: World, visit: Any) -> None:
    browser: Visitor = visit("management")
    before = stored()
    page = check(lines(ROW + ",VIP", header=HEADER + ",Notes"), browser=browser)
    assert stored() == before
    said = words(page)
    assert "Unused columns: 'Notes' (1 value)." in said
    assert "1 prospect would be imported for Sales Person." in said
    assert "Nordlys Ingrid Solberg ingrid@nordlys.example +4722123456" in said
    said = words(browser.post(IMPORT, signed(page) | shown(page), follow=True))
    assert "1 prospect imported for Sales Person." in said
    assert newest("company_name", "phone", "sales_contact") == ("Nordlys", "+4722123456", world.users["sales"].pk)
    with acting_as(Role.SUPERUSER):
        assert LogEntry.objects.latest("pk").change_message == "1 prospect imported for Sales Person."


def test_problems_refuse_a_list_by_line_and_column(check: Any) -> None:
    said = words(check(lines(ROW, BAD)))
    assert "Nothing was imported, because of 1 problem:" in said
    # The import has dropped `.0`, and the rest isn't a number of Norway.
    assert "line 3, column 'Phone': '30901820' isn't a valid phone number of Norway. Write a number with +" in said


def test_rows_with_problems_are_set_aside_and_downloaded(check: Any, visit: Any) -> None:
    browser: Visitor = visit("management")
    page = check(lines(ROW, ROW.replace("ingrid@", "")), browser=browser, sets_aside="on")
    assert "1 row has problems, and would be set aside in problems.csv:" in words(page)
    download = browser.post(IMPORT, signed(page) | {"problems": "1"})
    assert download["Content-Disposition"] == 'attachment; filename="problems.csv"'
    assert download.content.decode("utf-8-sig").splitlines()[0] == f"Problem,{HEADER}"
    assert "column 'Email'" in download.content.decode()
    browser.post(IMPORT, signed(page) | shown(page))
    assert newest("email") == ("ingrid@nordlys.example",)


def test_a_list_that_has_changed_its_effect_is_shown_again(check: Any, world: World, visit: Any) -> None:
    browser: Visitor = visit("management")
    page = check(lines(ROW), browser=browser)
    with acting_as(Role.SUPERUSER):
        other = make_client("Other", world.users["sales"])
        Client.objects.filter(pk=other.pk).update(email="ingrid@nordlys.example")
    before = stored()
    said = words(browser.post(IMPORT, signed(page) | shown(page)))
    assert "Nothing was done, because something has changed" in said
    assert "1 row left alone, because the client exists already" in said
    assert stored() == before


@pytest.mark.parametrize("field", ["sales_contact", "country", "file"])
def test_a_form_with_a_fault_is_shown_again(check: Any, world: World, field: str) -> None:
    wrong = {"sales_contact": world.users["support"].pk, "country": "Atlantis", "file": ""}
    page = check(lines(ROW), **{field: wrong[field]})
    assert page.status_code == 200
    assert 'class="errorlist"' in page.content.decode()


def test_a_signed_list_is_its_users_own(check: Any, visit: Any) -> None:
    page = check(lines(ROW))
    before = stored()
    said = words(visit("superuser").post(IMPORT, signed(page) | shown(page)))
    assert "checked too long ago, or not for you" in said
    assert stored() == before


def test_a_thousand_clients_come_in(check: Any, visit: Any) -> None:
    browser: Visitor = visit("management")
    page = check(REAL_LIST.read_bytes(), browser=browser, leaves_out_phones="on")
    assert "800 more rows are not shown." in words(page)
    said = words(browser.post(IMPORT, signed(page) | shown(page), follow=True))
    assert "1,000 prospects imported for Sales Person." in said
