"""No GET, HEAD or OPTIONS changes anything or locks a row, on any route: each is asked twice, and the whole database
compared."""

from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from access.database import acting_as
from access.policy import Role
from access.tests.test_routes import DECOY, GUARDED, PUBLIC, filled
from accounts.addresses import links as address_links
from accounts.models import AddressChange, User
from accounts.passwords import links
from accounts.tests.conftest import give_phone
from accounts.tests.moved_clock import let_pass
from accounts.tests.test_admin_routes import pages
from conftest import LOCKING, PASSWORD, Caller, Visitor, World

SITE = f"/{settings.ADMIN_URL}"
# What reading does change: how much of a limit is used up. No other function that reads call locks rows.
EXCEPT = ("api_limit",)
OTHER_PAGES = ("login/", "password_change/done/", "jsi18n/", "accounts/", "clients/", "nothing/here/", "logout/")


def fingerprint(migrator: Any) -> dict[str, str]:
    """A digest of each table's rows, the trail's too."""
    with migrator.cursor() as cursor:
        cursor.execute(
            "SELECT schemaname || '.' || tablename FROM pg_tables"
            " WHERE schemaname IN ('eecrm', 'audit') AND tablename <> ALL (%s) ORDER BY 1",
            [list(EXCEPT)],
        )
        digest = "SELECT '{0}', md5(coalesce(string_agg(line::text, ' ' ORDER BY line::text), '')) FROM {0} AS line"
        cursor.execute(" UNION ALL ".join(digest.format(table) for (table,) in cursor.fetchall()))
        return dict(cursor.fetchall())


@pytest.fixture
def stage(committed_world: World, migrator: Any) -> tuple[World, Any]:
    return committed_world, migrator


def ask_all_twice(caller: Any, paths: list[str], migrator: Any) -> list[set[int]]:
    """The statuses of each path's answers."""
    before = fingerprint(migrator)
    statuses = [ask_twice(caller, path) for path in paths]
    if fingerprint(migrator) != before:
        for path in paths:  # which one it is
            before = fingerprint(migrator)
            ask_twice(caller, path)
            after = fingerprint(migrator)
            assert after == before, (path, {table for table, digest in after.items() if before[table] != digest})
        pytest.fail("one of these writes when it is asked for the first time")
    return statuses


def ask_twice(caller: Any, path: str) -> set[int]:
    with CaptureQueriesContext(connection) as queries:
        answers = [getattr(caller, method)(path) for method in ("get", "get", "head", "head", "options")]
    assert len(queries) < connection.queries_limit
    assert not [query["sql"] for query in queries if LOCKING.search(query["sql"])], path
    return {answer.status_code for answer in answers[:-1]}


def test_no_read_of_the_api_and_its_pages_writes(stage: tuple[World, Any]) -> None:
    world, migrator = stage
    caller = Caller.as_user(world.users["superuser"])
    link = links.PASSWORD_RESET.url(User.objects.defer(None).get(username="sales")).removeprefix(settings.PUBLIC_URL)
    with acting_as(Role.MANAGEMENT, user_id=world.users["management"].pk):
        User.objects.filter(username="support").update(email="another@epic.example")
    change = AddressChange.objects.open().get()
    mailed = [address_links.context(change)["link"], address_links.objection_context(change)["objection"]]
    paths = [filled(path, world) for path, methods in (PUBLIC | GUARDED | DECOY).items() if "GET" in methods]
    assert len(paths) > 40
    statuses = ask_all_twice(caller, paths, migrator)
    assert sum(200 in codes for codes in statuses) > 35
    browser = Visitor()
    assert ask_all_twice(browser, [link], migrator) == [{302}]
    further = [browser.get(link).url, *(address.removeprefix(settings.PUBLIC_URL) for address in mailed)]
    assert all(codes <= {200, 302} for codes in ask_all_twice(browser, further, migrator))


@pytest.mark.parametrize("person", ["nobody", "without a factor", "half way", "with a factor"])
def test_no_read_of_the_admin_site_writes(person: str, stage: tuple[World, Any]) -> None:
    world, migrator = stage
    paths = [SITE + page for page in (*pages(world), *OTHER_PAGES)]
    browser, user = Visitor(), world.users["superuser"]
    if person in ("half way", "with a factor"):
        app = give_phone(user)
    if person != "nobody":
        browser.post(f"{SITE}login/", {"username": user.username, "password": PASSWORD})
    if person == "with a factor":
        assert browser.post(f"{SITE}second-factor/", {"code": app.code()}).status_code == 302
    if person != "nobody":
        let_pass(browser, started=3600, used=1200)
    statuses = ask_all_twice(browser, paths, migrator)
    assert (sum(200 in codes for codes in statuses) > 40) == (person in ("without a factor", "with a factor"))
