"""The cast and the stage of every test: PostgreSQL as the app role, the same nine people, the same two clients.

The databases are made and migrated by `scripts/test`, as the migrator; what runs here is `eecrm_app`. Rows go in under
the superuser's database role, so that no fixture can be what the rules forbid.
"""

import html
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
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
from api import health
from api.requests import limits
from api.requests.logs import JSONFormatter
from api.tests.published import published
from audit.admin import page_versions
from clients.models import Client
from config.environment import ROOT
from config.tests.emptying import (  # noqa: F401  # tests import them from here
    PATIENCE,
    WAITS,
    as_migrator,
    committing,
    empty_database,
    empty_the_trail,
)  # fmt: skip
from contracts.models import Contract
from events.models import Event

pytest_plugins = ["config.tests.shuffling"]
PASSWORD = "a long enough passphrase"
API = "/api/v1/"


@pytest.fixture(scope="session", autouse=True)
def django_db_setup() -> None:
    """Each process of pytest-xdist has a database of its own, prepared by `scripts/test`.

    Its connections wait as long as the tests do. With the timeouts of the roles (bootstrap.sql) a loaded machine would refuse
    what many threads do at once.
    """
    connection.settings_dict["OPTIONS"]["options"] = WAITS
    connection.settings_dict["NAME"] = f"eecrm_test_{os.environ.get('PYTEST_XDIST_WORKER', 'gw0')}"
    empty_database()  # An earlier run may have been stopped in the midst of a test.


_static_files: dict[str, Any] = {}
_find_static_files = WhiteNoiseMiddleware.add_files_from_finders


def _found_once(middleware: WhiteNoiseMiddleware) -> None:
    """Each client of a test loads the middlewares anew. To look at every static file again took a third of the tests' time."""
    if not _static_files:
        _find_static_files(middleware)
        _static_files.update(middleware.files)
    middleware.files.update(_static_files)


WhiteNoiseMiddleware.add_files_from_finders = _found_once


# What hostile requests of the tests send in forms, bodies and addresses.
TYPED = "Typed-by-claire@x.example"
# What no log line may hold: a JWT, a password's hash, a password that the tests type, any text that a caller sent.
_SECRET = re.compile(
    r"eyJ[\w-]{8,}\.eyJ|argon2id?\$|long enough passphrase|different long phrase|Epic-Events-2026!|Typed-by-claire"
)


class _SecretsInLogs(logging.Handler):
    """Reads each log line of the whole test run as production would write it."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JSONFormatter())
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        if _SECRET.search(line):
            self.found.append(line)


_secrets = _SecretsInLogs()
logging.getLogger().addHandler(_secrets)


@pytest.fixture(autouse=True)
def no_secret_is_logged() -> Iterator[None]:
    yield
    found, _secrets.found = _secrets.found, []
    assert not found, "a log line holds a secret"


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    """What a worker holds in memory would outlive the database of a test."""
    limits._leases.clear()
    limits._light.clear()


@pytest.fixture(autouse=True)
def readiness_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time, since tests break what it is about and mend it."""
    monkeypatch.setattr(health, "KEPT_SECONDS", 0)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How much was compared, by whichever tests say so."""
    told = [pair for report in terminalreporter.stats.get("passed", ()) for pair in report.user_properties]
    if cells := sum(value for name, value in told if name == "cells"):
        terminalreporter.write_line(f"API, policy and PostgreSQL gave one answer in each of {cells:,} cells.")
    if hostile := sum(value for name, value in told if name == "hostile"):
        terminalreporter.write_line(
            f"{hostile:,} hostile requests: no 500, no answer that the document doesn't declare."
        )


_PUBLISHED = (ROOT / "docs" / "access.md").read_text()


def assert_published(response: Any) -> None:
    """Each rule that any test is refused by is on the page of rules. A view's own groups are named there in general."""
    if response.status_code in (403, 409) and response["Content-Type"] == "application/problem+json":
        rule = response.json()["rule"]
        assert rule.startswith("group.") or f"`{rule}`" in _PUBLISHED, f"docs/access.md doesn't tell of {rule}"


class _RoleEnds:
    """Ends the caller's database role with each request, as the end of the transaction does in production. Holds each answer of
    the API to the published document."""

    def generic(self, method: str, path: str, data: Any = "", *args: Any, **kwargs: Any) -> Any:
        response = super().generic(method, path, data, *args, **kwargs)  # type: ignore[misc]  # a mixin
        if response.request["PATH_INFO"].startswith(API):
            published.judge(method, response.request["PATH_INFO"], data, response)
        return response

    def request(self, **kwargs: Any) -> Any:
        response = super().request(**kwargs)  # type: ignore[misc]  # a mixin
        assert_published(response)
        if connection.in_atomic_block:
            # A refusal of a view without a transaction would roll back the test's own.
            connection.needs_rollback = False
            leave()
        return response


class Visitor(_RoleEnds, Browser):
    """Somebody who browses the admin site. Opens a page before they send its form, unless the form says what it showed."""

    def post(self, path: str, data: Any = None, *args: Any, **kwargs: Any) -> Any:
        is_page = path.split("?")[0].endswith(("/add/", "/change/"))
        if isinstance(data, dict) and (is_page or "action" in data) and page_versions.PAGE_VERSION_FIELD not in data:
            data = {page_versions.PAGE_VERSION_FIELD: self.version_of(path)} | data
        return super().post(path, data, *args, **kwargs)

    def version_of(self, path: str) -> str:
        """The hidden field of this page."""
        page = self.get(path)
        return str((page.context or {}).get(page_versions.PAGE_VERSION_FIELD, "")) if page.status_code == 200 else ""

    def confirm(self, address: str, form: dict[str, Any], **options: Any) -> Any:
        """The page that the form leads to, and then the form again with what that page shows, as people send it."""
        page = self.post(address, form, **options)
        return self.post(address, form | seen, **options) if (seen := shown(page)) else page


class Caller(_RoleEnds, APIClient):
    """Somebody who calls the API, with a token (or without: anonymous)."""

    user: User | None = None

    @classmethod
    def as_user(cls, user: User) -> "Caller":
        try:
            pair = tokens.log_in(user)
        except tokens.LoginRefused:  # the test has changed the account since it was read
            pair = tokens.log_in(User.objects.defer(None).get(pk=user.pk))
        caller = cls(HTTP_AUTHORIZATION=f"Bearer {pair.access}")
        caller.user = user
        return caller


def shown(page: Any) -> dict[str, str]:
    """What a page carries of what it shows, for the form that confirms it."""
    found = re.search(r'name="shown" value="([^"]*)"', page.content.decode())
    return {"shown": html.unescape(found[1])} if found else {}


@dataclass
class World:
    """`own` rows belong to *sales* (and *support*, and the linked *partner*), `other` rows to the other ones."""

    users: dict[str, User]
    own_client: Client
    other_client: Client
    own_draft: Contract
    other_draft: Contract
    own_signed: Contract
    other_signed: Contract
    own_event: Event
    other_event: Event


_hashed: list[str] = []

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
    if not _hashed:
        _hashed.append(make_password(PASSWORD))
    users = {
        name: User(username=name, first_name=name.title(), last_name="Person", email=f"{name}@epic.example", role=role)
        for name, role in CAST.items()
    }
    users["superuser"] = User(username="superuser", is_superuser=True)
    for user in users.values():
        user.password = _hashed[0]
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
    """Table by table: nearly every test has a world of its own."""
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
def world(db: None) -> World:
    return build_world()


@pytest.fixture
def in_the_open(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Outside of a transaction, which would hold locks, and which a lost connection would end. All that is committed goes."""
    with committing(django_db_blocker):
        yield


@pytest.fixture
def committed_world(in_the_open: None) -> World:
    """The world in the open, for tests of several connections at once."""
    return build_world()


@pytest.fixture
def caller(world: World) -> Any:
    """`caller("sales")` calls as that person; `caller("anonymous")` without a token."""
    return lambda name: Caller() if name == "anonymous" else Caller.as_user(world.users[name])


for _name in [*CAST, "superuser", "anonymous"]:
    globals()[_name] = pytest.fixture(name=_name)(lambda caller, _name=_name: caller(_name))


@pytest.fixture
def migrator(django_db_setup: None) -> Iterator[Any]:
    """The migrator's own connection: to look at the catalogue, and to clean up what a test committed."""
    with as_migrator() as opened:
        yield opened


@pytest.fixture
def sql_refusal(db: None) -> Any:
    """`sql_refusal(statement, role, user_id)`: PostgreSQL's code for why it refuses, or "" where it doesn't."""

    def run(statement: str, role: str = "", user_id: int | None = None) -> str:
        try:
            with transaction.atomic():
                if role:
                    enter(role, user_id=user_id)
                with connection.cursor() as cursor:
                    cursor.execute(statement)
                leave()
        except DatabaseError as error:
            return str(error.__cause__.diag.sqlstate)  # type: ignore[union-attr]  # always psycopg2's
        return ""

    return run
