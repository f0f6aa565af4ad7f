"""Costs of an import of accounts: what PostgreSQL reads grows with the rows, and a check keeps nobody from logging in."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from access.database import acting_as
from access.policy import Role
from accounts.importing.checking import check_accounts
from accounts.importing.planning import Wishes
from accounts.importing.saving import save_accounts
from accounts.models import User
from accounts.tests.people import lines
from api.tests.test_at_once import alone, wait_for_a_blocked_statement
from config.tests.counting import rows_read
from conftest import API, PASSWORD, PATIENCE, Caller, World, as_migrator
from csv_files import CannotImport
from csv_files.problems import MAX_PROBLEMS
from csv_files.reading import parse_table

FEW, MANY = 50, 200
# What one row may read: its account in each trigger, its mails, and their entries on the trail.
MAX_READ_PER_ROW = 100
MADE = [
    User(username=f"{name}{number}", email=f"{name}{number}@epic.example", role=role, password=password)
    for name, role, password in (
        ("invited", Role.AUDITOR, "!"),
        ("claimed", Role.AUDITOR, "argon2$"),
        ("manager", Role.MANAGEMENT, "argon2$"),
    )
    for number in range(MANY)
]


@pytest.fixture
def small_tables(django_db_setup: None, django_db_blocker: Any) -> None:
    """PostgreSQL plans for tables that it knows to be small, as on the day before a large import."""
    with django_db_blocker.unblock(), as_migrator() as migrator, migrator.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE accounts_user, accounts_mail, accounts_addresschange, accounts_cover")


@pytest.fixture
def company(small_tables: None, world: World) -> World:
    with acting_as(Role.SUPERUSER):
        User.objects.bulk_create(MADE)
    return world


def check(content: str, manager: User) -> None:
    checked = check_accounts(parse_table(content.encode(), "The file"), is_quiet=True)
    with acting_as(Role.MANAGEMENT, user_id=manager.pk):
        save_accounts(checked, Wishes(actor_id=manager.pk), is_dry_run=True, is_quiet=True)


LISTS: dict[str, tuple[str, Callable[[int], str]]] = {
    "new managers": ("username,email,role", lambda number: f"new{number},new{number}@epic.example,management"),
    "new staff": ("username,email,role", lambda number: f"new{number},new{number}@epic.example,sales"),
    "addresses of those invited": ("username,email", lambda number: f"invited{number},other{number}@epic.example"),
    "addresses of those in use": ("username,email", lambda number: f"claimed{number},other{number}@epic.example"),
    "managers made": ("username,role", lambda number: f"claimed{number},management"),
    "both": ("username,role,email", lambda number: f"claimed{number},management,other{number}@epic.example"),
    "managers unmade": ("username,role", lambda number: f"manager{number},sales"),
    "renamed": ("username,first_name", lambda number: f"claimed{number},Another"),
    "deactivated": ("username,is_active", lambda number: f"manager{number},no"),
}


@pytest.mark.parametrize("name", LISTS)
def test_what_is_read_grows_with_the_rows_and_not_with_rows_times_accounts(name: str, company: World) -> None:
    header, row = LISTS[name]

    def read(count: int) -> dict[str, int]:
        before = rows_read()
        check(lines(*map(row, range(count)), header=header), company.users["management"])
        return {table: rows - before.get(table, 0) for table, rows in rows_read().items()}

    read(1)  # what a process asks once
    few, many = read(FEW), read(MANY)
    costs = {table: (many[table] - few.get(table, 0)) / (MANY - FEW) for table in many}
    assert {table: cost for table, cost in costs.items() if cost > MAX_READ_PER_ROW} == {}


# Letters of U+AB70 are small to Unicode's case folding, and not to PostgreSQL's lower(), so that the database refuses them.
REFUSED_LETTER = "\uab70"


def check_refused(world: World, *, rows: int, every: int) -> str:
    """Checks so many new rows, of which each one in `every` is refused, and returns the message."""
    named = (f"user{number}{REFUSED_LETTER if number % every == every - 1 else ''}" for number in range(rows))
    with pytest.raises(CannotImport) as error:
        content = lines(*(f"{name},u@epic.example" for name in named), header="username,email")
        check(content, world.users["management"])
    return str(error.value)


def test_a_list_of_refused_rows_ends_with_what_a_message_lists(world: World) -> None:
    with CaptureQueriesContext(connection) as queries:
        said = check_refused(world, rows=1_000, every=1)
    assert said.startswith("Nothing was imported, because of at least 51 problems:\nline 2: ")
    assert said.endswith("\nand maybe more: the other rows weren't tried.")
    assert said.count("\n") == MAX_PROBLEMS + 1
    assert len(queries) < 10 * MAX_PROBLEMS


def test_refused_rows_are_found_with_few_repeated_writes(world: World) -> None:
    with connection.cursor() as cursor:
        written = "SELECT n_tup_ins FROM pg_stat_xact_user_tables WHERE relid = 'eecrm.accounts_user'::regclass"
        cursor.execute(written)
        before = cursor.fetchone()[0]
        said = check_refused(world, rows=1_000, every=100)
        cursor.execute(written)
        assert cursor.fetchone()[0] - before < 2.5 * 1_000
    assert said.startswith("Nothing was imported, because of 10 problems:\nline 101: ")


@pytest.fixture
def held(committed_world: World, migrator: Any) -> Iterator[Any]:
    """The account `support` is being changed elsewhere, so that a check of it waits."""
    migrator.autocommit = False
    with migrator.cursor() as cursor:
        cursor.execute("SELECT FROM accounts_user WHERE username = 'support' FOR NO KEY UPDATE")
        yield cursor
        migrator.rollback()


def test_whoever_is_listed_and_stays_unchanged_logs_in_during_a_check(held: Any, committed_world: World) -> None:
    users = committed_world.users
    assert users["sales"].pk < users["support"].pk
    content = lines("sales,sales", "support,sales", header="username,role")
    with ThreadPoolExecutor() as pool:
        checking = pool.submit(alone(lambda: check(content, users["management"])))
        try:
            wait_for_a_blocked_statement(held)
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT FROM accounts_user WHERE username = 'sales' FOR NO KEY UPDATE NOWAIT")
            answer = Caller().post(API + "users/login/", {"username": "sales", "password": PASSWORD})
        finally:
            held.connection.rollback()
        checking.result(timeout=PATIENCE)
    assert answer.status_code == 200


def test_whoever_is_to_be_changed_logs_in_while_a_check_plans(committed_world: World) -> None:
    users = committed_world.users

    def log_in(planned: Any) -> bool:
        with ThreadPoolExecutor() as pool:
            login = {"username": "sales", "password": PASSWORD}
            answer = pool.submit(alone(lambda: Caller().post(API + "users/login/", login))).result(timeout=PATIENCE)
        assert answer.status_code == 200
        return True

    content = lines("sales,support", header="username,role")
    checked = check_accounts(parse_table(content.encode(), "The file"), is_quiet=True)
    with acting_as(Role.MANAGEMENT, user_id=users["management"].pk):
        save_accounts(checked, Wishes(), is_dry_run=True, is_quiet=True, is_confirmed=log_in)
