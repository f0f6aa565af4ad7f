"""Fixtures that all tests share: the connection to PostgreSQL, ten accounts, and the rows of two clients.

`scripts/test` creates and migrates the databases as the migrator. Tests connect as `eecrm_app`. Fixtures insert rows
under the superuser's database role, so that grants and triggers apply to them too (ADR 6).
"""

import html
import logging
import os
import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.db import DatabaseError, connection, transaction
from django.test import Client as Browser
from django.utils import timezone
from rest_framework.test import APIClient
from whitenoise.middleware import WhiteNoiseMiddleware

from access.database import acting_as, enter, leave
from access.policy import Role
from accounts.login import tokens
from accounts.models import User
from accounts.passwords.hashers import TunedArgon2PasswordHasher
from api import health
from api.requests import limits
from api.requests.logs import JSONFormatter
from api.tests.published import published
from audit.admin import page_versions
from clients.models import Client
from config.environment import ROOT
from config.tests.emptying import (  # noqa: F401  # tests import these names from here
    PATIENCE,
    WAITS,
    State,
    age_the_trail,
    as_migrator,
    committing,
    empty_database,
    empty_the_trail,
    keep_ids_apart,
    move_the_trail_here,
)  # fmt: skip
from contracts.models import Contract
from events.models import Event

pytest_plugins = ["config.tests.shuffling"]
PASSWORD = "a long enough passphrase"
API = "/api/v1/"


@pytest.fixture(scope="session", autouse=True)
def django_db_setup() -> Iterator[None]:
    """Connects each process of pytest-xdist to its own database, which `scripts/test` has prepared.

    The connection's statements get longer timeouts than the PostgreSQL roles have (bootstrap.sql). Otherwise tests with
    many threads would fail on a loaded machine.
    """
    connection.settings_dict["OPTIONS"]["options"] = WAITS
    connection.settings_dict["NAME"] = f"eecrm_test_{os.environ.get('PYTEST_XDIST_WORKER', 'gw0')}"
    empty_database(is_thorough=True)  # An interrupted run may have left rows of a test.
    keep_ids_apart()
    yield
    empty_database()


_static_files: dict[str, Any] = {}
_add_files_from_finders = WhiteNoiseMiddleware.add_files_from_finders


def _add_files_once(middleware: WhiteNoiseMiddleware) -> None:
    """Searches for static files only once per process, and not for each test client.

    Each test client loads the middlewares again. Searching for the files each time took a third of the tests' time.
    """
    if not _static_files:
        _add_files_from_finders(middleware)
        _static_files.update(middleware.files)
    middleware.files.update(_static_files)


WhiteNoiseMiddleware.add_files_from_finders = _add_files_once


# Pattern of SQL statements that lock rows or a table.
LOCKING = re.compile(r"\bFOR\s+(NO\s+KEY\s+UPDATE|UPDATE|SHARE|KEY\s+SHARE)\b|\bLOCK\s+TABLE\b", re.IGNORECASE)
# Text that tests send in forms, request bodies and URLs of hostile requests. No log line may contain this text.
TYPED = "Typed-by-claire@x.example"
# Pattern of texts that no log line may contain: JWT, password hash, a test's password, text sent by a caller.
_SECRET = re.compile(
    r"eyJ[\w-]{8,}\.eyJ|argon2id?\$|long enough passphrase|different long phrase|Epic-Events-2026!|Typed-by-claire"
)


class _SecretsInLogs(logging.Handler):
    """Log handler that searches each log line of the whole test run for secrets, in the log format of production."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JSONFormatter())
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        if _SECRET.search(line):
            self.found.append(line)


_secrets = _SecretsInLogs()
# This handler replaces the handler of the settings, which would format each log line once more.
# The handler prints nothing, because pytest shows the log lines of a failed test.
logging.getLogger().handlers = [_secrets]


@pytest.fixture(autouse=True)
def no_secret_is_logged() -> Iterator[None]:
    yield
    found, _secrets.found = _secrets.found, []
    assert not found, "a log line holds a secret"


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    """Clears the rate limits in memory. Otherwise these would still count requests of an earlier test."""
    limits._leases.clear()
    limits._light.clear()


@pytest.fixture(autouse=True)
def readiness_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns off the cache of the readiness check, because tests break and repair the database within a second."""
    monkeypatch.setattr(health, "KEPT_SECONDS", 0)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Prints how many cells of the policy table and how many hostile requests the tests have checked.

    Tests record these numbers as user properties.
    """
    properties = [pair for report in terminalreporter.stats.get("passed", ()) for pair in report.user_properties]
    if cells := sum(value for name, value in properties if name == "cells"):
        terminalreporter.write_line(f"API, policy and PostgreSQL gave one answer in each of {cells:,} cells.")
    if hostile := sum(value for name, value in properties if name == "hostile"):
        terminalreporter.write_line(
            f"{hostile:,} hostile requests: no 500, no answer that the document doesn't declare."
        )


_PUBLISHED = (ROOT / "docs" / "access.md").read_text()


def assert_published(response: Any) -> None:
    """Asserts that docs/access.md lists the rule of a refusal, if the answer is a refusal.

    Rules `group.…` are exempt, because one entry of the page stands for all of them.
    """
    if response.status_code in (403, 409) and response["Content-Type"] == "application/problem+json":
        rule = response.json()["rule"]
        assert rule.startswith("group.") or f"`{rule}`" in _PUBLISHED, f"docs/access.md doesn't tell of {rule}"


class _RoleEnds:
    """Mixin for test clients. After each request it switches back from the caller's PostgreSQL role to the login role.

    In production the end of the transaction switches back. The mixin also validates each API answer with the OpenAPI
    document.
    """

    def generic(self, method: str, path: str, data: Any = "", *args: Any, **kwargs: Any) -> Any:
        response = super().generic(method, path, data, *args, **kwargs)  # type: ignore[misc]  # defined by test clients
        if response.request["PATH_INFO"].startswith(API):
            published.judge(method, response.request["PATH_INFO"], data, response)
        return response

    def request(self, **kwargs: Any) -> Any:
        response = super().request(**kwargs)  # type: ignore[misc]  # defined by test clients
        assert_published(response)
        if connection.in_atomic_block:
            # A refusal in a view without a transaction would otherwise roll back the test's own transaction.
            connection.needs_rollback = False
            leave()
        return response


class Visitor(_RoleEnds, Browser):
    """Browser client for tests of the admin site.

    It opens a page before it posts the page's form, unless the form already contains the page's version.
    """

    def post(self, path: str, data: Any = None, *args: Any, **kwargs: Any) -> Any:
        is_page = path.split("?")[0].endswith(("/add/", "/change/"))
        if isinstance(data, dict) and (is_page or "action" in data) and page_versions.PAGE_VERSION_FIELD not in data:
            data = {page_versions.PAGE_VERSION_FIELD: self.version_of(path)} | data
        return super().post(path, data, *args, **kwargs)

    def version_of(self, path: str) -> str:
        """Returns the value of the page's hidden field for the page's version; "" if the page has none."""
        page = self.get(path)
        return str((page.context or {}).get(page_versions.PAGE_VERSION_FIELD, "")) if page.status_code == 200 else ""

    def confirm(self, address: str, form: dict[str, Any], **options: Any) -> Any:
        """Posts the form, then posts it again with the hidden field of the confirmation page, as a browser does."""
        page = self.post(address, form, **options)
        return self.post(address, form | seen, **options) if (seen := shown(page)) else page


class Caller(_RoleEnds, APIClient):
    """API client for tests. It has the token of a user, or no token if it is anonymous."""

    user: User | None = None

    @classmethod
    def as_user(cls, user: User) -> "Caller":
        try:
            pair = tokens.log_in(user)
        except tokens.LoginRefused:  # the test has changed the account since loading it
            pair = tokens.log_in(User.objects.defer(None).get(pk=user.pk))
        caller = cls(HTTP_AUTHORIZATION=f"Bearer {pair.access}")
        caller.user = user
        return caller


def shown(page: Any) -> dict[str, str]:
    """Returns the hidden field of a confirmation page, to be posted with the form; {} if the page has no such field."""
    match = re.search(r'name="shown" value="([^"]*)"', page.content.decode())
    return {"shown": html.unescape(match[1])} if match else {}


@dataclass
class World:
    """Accounts and rows of a test. Rows `own_…` belong to *sales*, *support* and *partner*.

    Rows `other_…` belong to other accounts.
    """

    users: dict[str, User]
    own_client: Client
    other_client: Client
    own_draft: Contract
    other_draft: Contract
    own_signed: Contract
    other_signed: Contract
    own_event: Event
    other_event: Event


@cache
def _hash(memory_cost: int) -> str:
    """Returns the hash of PASSWORD. `memory_cost` must be the hasher's present cost, and is the key of the cache."""
    return make_password(PASSWORD)


CAST = {
    "sales": Role.SALES,
    "other_sales": Role.SALES,
    "support": Role.SUPPORT,
    "other_support": Role.SUPPORT,
    "management": Role.MANAGEMENT,
    "other_management": Role.MANAGEMENT,
    "auditor": Role.AUDITOR,
    "partner": Role.EXTERNAL,
    "unlinked": Role.EXTERNAL,
}


def make_users() -> dict[str, User]:
    users = {
        name: User(username=name, first_name=name.title(), last_name="Person", email=f"{name}@epic.example", role=role)
        for name, role in CAST.items()
    }
    users["superuser"] = User(username="superuser", is_superuser=True)
    for user in users.values():
        user.password = _hash(TunedArgon2PasswordHasher.memory_cost)
    User.objects.bulk_create(users.values())
    return users


def new_client(name: str, contact: User, **fields: Any) -> Client:
    return Client(
        **{
            "status": "client", "company_name": name, "first_name": "Ann", "last_name": "Doe",
            "email": f"ann.{name.lower().replace(' ', '.')}@{name.split()[0].lower()}.example",
            "phone": "+33199001234", "mobile": "+33612345678", "sales_contact": contact,
        } | fields
    )  # fmt: skip


def new_contract(client: Client, name: str, *, signed: bool = False, **fields: Any) -> Contract:
    state = {"status": "signed", "signed_at": timezone.now()} if signed else {}
    return Contract(
        **{"client": client, "name": name, "amount": "1500.00", "payment_due": date(2027, 5, 1)} | state | fields
    )


def new_event(contract: Contract, name: str, contact: User | None, **fields: Any) -> Event:
    return Event(
        **{
            "contract": contract, "name": name, "support_contact": contact, "attendees": 75,
            "starts_at": timezone.now() + timedelta(days=30),
        } | fields
    )  # fmt: skip


def make_client(name: str, contact: User, **fields: Any) -> Client:
    return saved(new_client(name, contact, **fields))


def make_contract(client: Client, name: str, **fields: Any) -> Contract:
    return saved(new_contract(client, name, **fields))


def make_event(contract: Contract, name: str, contact: User | None, **fields: Any) -> Event:
    return saved(new_event(contract, name, contact, **fields))


def saved(row: Any) -> Any:
    row.save(force_insert=True)
    return row


def build_world() -> World:
    """Inserts the accounts and rows that nearly every test needs. It inserts them in bulk to save time."""
    with acting_as(Role.SUPERUSER):
        users = make_users()
        own = new_client("Own Company", users["sales"], account=users["partner"])
        other = new_client("Other Company", users["other_sales"])
        Client.objects.bulk_create([own, other])
        own_signed, other_signed = (
            new_contract(own, "Own gala", signed=True),
            new_contract(other, "Other gala", signed=True),
        )
        own_draft, other_draft = new_contract(own, "Own draft"), new_contract(other, "Other draft")
        Contract.objects.bulk_create([own_signed, other_signed, own_draft, other_draft])
        own_event = new_event(own_signed, "Own party", users["support"])
        other_event = new_event(other_signed, "Other party", users["other_support"])
        Event.objects.bulk_create([own_event, other_event])
        return World(users, own, other, own_draft, other_draft, own_signed, other_signed, own_event, other_event)


@pytest.fixture
def without_world(db: None) -> None:
    """The test's transaction begins with empty tables, whose files on disk are empty too."""


class _Kept:
    """The `World` that is committed in this process's database.

    `pickled` holds its objects. `emptied` says after which emptying of the database it was inserted.
    """

    pickled = b""
    emptied = -1

    @classmethod
    def is_there(cls) -> bool:
        return cls.emptied == State.emptied


@pytest.fixture
def production_hashing() -> None:
    """In tests that use this fixture, passwords are hashed at the cost of production."""


@pytest.fixture(autouse=True)
def quick_hashing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes password hashes cheap in tests that neither commit nor use the fixture `production_hashing`.

    A test that commits keeps the real cost: servers that such a test starts would replace its cheap hashes.
    """
    if not {"in_the_open", "production_hashing"} & set(request.fixturenames):
        monkeypatch.setattr(TunedArgon2PasswordHasher, "memory_cost", 64)
        monkeypatch.setattr(TunedArgon2PasswordHasher, "time_cost", 1)


@pytest.fixture(autouse=True)
def kept_world(request: pytest.FixtureRequest, quick_hashing: None, django_db_blocker: Any) -> None:
    """Commits the `World` before the transaction of a test begins, unless an earlier test has left it in the database.

    Each test changes the world only in its own transaction. Inserting the world for each test took a twelfth of the
    tests' processor time. A test that commits begins and ends with an empty database.
    """
    names = request.fixturenames
    if "without_world" in names:
        empty_database(is_thorough=True)
    if "db" not in names or {"in_the_open", "without_world"} & set(names) or State.is_open or _Kept.is_there():
        return
    if connection.in_atomic_block:
        return  # The mark `django_db` has begun the test's transaction already.
    request.getfixturevalue("django_db_setup")
    with django_db_blocker.unblock():
        _Kept.pickled = pickle.dumps(build_world())
    _Kept.emptied = State.emptied


@pytest.fixture
def world(db: None) -> World:
    """Returns the committed world, as new objects that belong to this test alone."""
    return pickle.loads(_Kept.pickled) if _Kept.is_there() else build_world()


@pytest.fixture
def in_the_open(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Runs the test without a transaction around it, and deletes the test's committed rows afterwards.

    Some tests lose a connection. Other tests have further connections, which would wait for the locks of a transaction.
    """
    with committing(django_db_blocker):
        yield


@pytest.fixture
def committed_world(in_the_open: None) -> World:
    """Commits rows like those of `world`, for tests with several connections."""
    return build_world()


@pytest.fixture
def caller(world: World) -> Any:
    """Returns a function that makes API clients: `caller("sales")` has the token of that account.

    The client `caller("anonymous")` has no token.
    """
    return lambda name: Caller() if name == "anonymous" else Caller.as_user(world.users[name])


for _name in [*CAST, "superuser", "anonymous"]:
    globals()[_name] = pytest.fixture(name=_name)(lambda caller, _name=_name: caller(_name))


@pytest.fixture
def migrator(django_db_setup: None) -> Iterator[Any]:
    """Opens a connection as the migrator role, to inspect PostgreSQL's catalogue and to delete committed rows."""
    with as_migrator() as opened:
        yield opened


# SQLSTATEs of PostgreSQL's refusals: PRIVILEGE for a privilege or a row, STATE for a state rule.
PRIVILEGE, STATE = "42501", "23514"


@contextmanager
def refused_with(*sqlstates: str) -> Iterator[None]:
    """Asserts that PostgreSQL refuses the block with one of these SQLSTATEs.

    The words of the refusal depend on the server's language.
    """
    with pytest.raises(DatabaseError) as caught:
        yield
    assert caught.value.__cause__.diag.sqlstate in sqlstates  # type: ignore[union-attr]  # psycopg2 sets diag


@pytest.fixture
def sql_refusal(db: None) -> Any:
    """Returns a function: `sql_refusal(statement, role, user_id)` runs the SQL statement.

    The function returns the SQLSTATE of PostgreSQL's refusal, or "" if PostgreSQL accepts the statement.
    """

    def run(statement: str, role: str = "", user_id: int | None = None) -> str:
        try:
            with transaction.atomic():
                if role:
                    enter(role, user_id=user_id)
                with connection.cursor() as cursor:
                    cursor.execute(statement)
                leave()
        except DatabaseError as error:
            return str(error.__cause__.diag.sqlstate)  # type: ignore[union-attr]  # psycopg2 sets diag
        return ""

    return run
