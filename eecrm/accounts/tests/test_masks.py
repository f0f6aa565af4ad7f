"""One mask through every door: API, history, offline copies, reports, the admin site, its log and the trail hide alike."""

import html
import os
import random
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.db.models import TextField, Value

from access.database import acting_as
from access.masks import EMAIL, HIDDEN, PHONE, WHOLE, Mask
from access.policy import Role
from accounts.models import ExternalIdentity, User
from accounts.tests.provider import Provider
from accounts.tests.test_admin_identities import binding, page_of
from audit.models import Entry
from clients.models import Client
from config.environment import env
from conftest import API, Caller, World, new_client

ADMIN = "/hidden-admin/"

SHOWN = {
    "ann@own.example": "a***@***.example", "a@b.co": "a***@***.co", "ann.lee+x@mail.own.example": "a***@***.example",
    "Ann_Lee-2@Own.EXAMPLE": "A***@***.EXAMPLE", "9@b-c.example": "9***@***.example", "_x@own.example": "_***@***.example",
}  # fmt: skip
# Of these, a mask that is made from a part would tell most, or all.
ODD = [
    "x@localhost", "ann", "ann@", "@own.example", "a@b@c.example", "@@", '"ann lee"@own.example', '"a@b"@own.example', "ünï@own.example",
    "jose\u0301@own.example", "ａnn@own.example", "ann＠own.example", "ann@münchen.example", "ann@own.例え", "ann@own.xn--p1ai",
    "ann@own.example\n", "\nann@own.example", "ann@own.example\nbcc@own.example", "ann\r\n@own.example", "ann\t@own.example",
    "ann@[192.0.2.1]", "ann@192.0.2.1", "ann@own..example", "ann@.example", "ann@own.example.", ".ann@own.example", "ann.@own.example",
    "a..b@own.example", " ann@own.example", "ann@own.example ", "ann lee@own.example", "ann@own.c", "ann@own.c0m", "ann@own.com-",
    "<ann@own.example>", "Ann Lee <lee@own.example>", "o'brien@own.example", "ann%x@own.example", "ann\u200b@own.example", "ann;x@own.example",
    "ann\\@own.example", "ann@own,example", "ann@own.example,lee@own.example", "{ann}@own.example", "ann@own.example?x=y", "\u202eann@own.example",
]  # fmt: skip
PHONES = {"+33199001234": "***34", "+123456": "***56", "+123456789012345": "***45"}
ODD_PHONES = [
    "12", "+12", "+12345", "0199001234", "+33 1 99 00 12 34", "+33199001234 ext 5", "+33199001234\n", "call Ann", "+٣٣١٩٩٠٠١٢٣٤", "＋33199001234",
]  # fmt: skip


def in_sql(mask: Mask, values: list[str | None]) -> list[str | None]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {mask.sql('one')} FROM unnest(%s::text[]) WITH ORDINALITY AS x (one, n) ORDER BY n", [values]
        )
        return [shown for (shown,) in cursor.fetchall()]


@pytest.mark.parametrize(
    ("mask", "shown", "odd"), [(EMAIL, SHOWN, ODD), (PHONE, PHONES, ODD_PHONES), (WHOLE, {}, ["x", *ODD, *ODD_PHONES])]
)
def test_python_and_sql_hide_alike(mask: Mask, shown: dict[str, str], odd: list[str], db: None) -> None:
    values = [*shown, *odd, "", None]
    expected = [*shown.values(), *[HIDDEN] * len(odd), "", None]
    assert [mask.of(value) for value in values] == expected
    assert in_sql(mask, values) == expected
    assert mask.of(7) == mask.of(["ann@own.example"]) == HIDDEN


@pytest.mark.parametrize("mask", [EMAIL, PHONE])
def test_they_hide_alike_whatever_the_text(mask: Mask, db: None) -> None:
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(2**32))
    print(f"SEED={seed}")
    chance = random.Random(seed)
    letters = "ab1A.@-_+ é\n\r\t\"'%{}\\;＠" if mask is EMAIL else "+0123456789 ٣\n"
    values: list[str | None] = ["".join(chance.choices(letters, k=chance.randrange(1, 14))) for _ in range(5_000)]
    values += [value.replace(value[2:3], "@", 1) + "x.example" for value in values if value][:2_500]
    values += ["+" + "".join(chance.choices("0123456789", k=chance.randrange(3, 17))) for _ in range(500)]
    hidden = [mask.of(value) for value in values]
    assert in_sql(mask, values) == hidden, seed
    assert HIDDEN in hidden
    assert len(set(hidden)) > 1


@pytest.fixture
def any_address(migrator: Any) -> Iterator[None]:
    """Clients may have any text as an address, as if no rule had been there when they were made.

    Ask for it first: it changes the table, which must be free before and after.
    """
    with migrator.cursor() as cursor:
        cursor.execute("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'client_email_form'")
        (rule,) = cursor.fetchone()
        cursor.execute("ALTER TABLE eecrm.clients_client DROP CONSTRAINT client_email_form")
    try:
        yield
    finally:
        with migrator.cursor() as cursor:
            cursor.execute(f"ALTER TABLE eecrm.clients_client ADD CONSTRAINT client_email_form {rule}")


def made_clients(contact: User, addresses: list[str]) -> dict[int, str]:
    """A client with each address, under its key. An expression is stored as it is; a text would be brought into the one form."""
    rows = [
        new_client(f"Company {number}", contact, email=Value(address, TextField()), phone="", mobile="")
        for number, address in enumerate(addresses)
    ]
    with acting_as(Role.SUPERUSER):
        Client.objects.bulk_create(rows)
    return {row.pk: address for row, address in zip(rows, addresses, strict=True)}


def seen_in(page: str, address: str) -> bool:
    """Whether a page shows an address, however it is escaped."""
    return address.strip() in page or html.escape(address.strip()) in page


def test_the_api_history_copies_and_reports_hide_alike(any_address: None, committed_world: World) -> None:
    addresses = [*SHOWN, *ODD]
    clients = made_clients(committed_world.users["sales"], addresses)
    auditor, sales = (Caller.as_user(committed_world.users[name]) for name in ("auditor", "sales"))
    expected = {key: SHOWN.get(address, HIDDEN) for key, address in clients.items()}
    listed = auditor.get(f"{API}clients/?page_size=100").json()["results"]
    copied = auditor.get(f"{API}sync/?page_size=200").json()["changes"]
    doors = {
        "list": {row["id"]: row["email"] for row in listed},
        "item": {key: auditor.get(f"{API}clients/{key}/").json()["email"] for key in clients},
        "copy": {one["id"]: one["data"]["email"] for one in copied if one["type"] == "client"},
        "history": {key: told_of_making(auditor, key) for key in clients},
        "report": reported(),
    }
    for door, shown in doors.items():
        assert {key: shown.get(key) for key in clients} == expected, door
    assert {key: told_of_making(sales, key) for key in clients} == clients
    assert sales.get(f"{API}clients/{next(iter(clients))}/").json()["email"] == addresses[0]


def told_of_making(caller: Caller, key: int) -> Any:
    (made,) = caller.get(f"{API}clients/{key}/history/").json()["results"]
    return {one["field"]: one["new"] for one in made["changes"]}["email"]


def reported() -> dict[int, str]:
    settings = connection.settings_dict
    opened = psycopg2.connect(
        host=settings["HOST"], port=settings["PORT"], dbname=settings["NAME"], user="eecrm_report",
        password=env("PG_REPORT_PASSWORD"),
    )  # fmt: skip
    with closing(opened), opened.cursor() as cursor:
        cursor.execute("SELECT id, email FROM clients_client")
        return dict(cursor.fetchall())


def test_the_admin_site_and_the_trail_hide_alike(any_address: None, world: World, visit: Any) -> None:
    clients = made_clients(world.users["sales"], [*SHOWN, *ODD])
    with acting_as(Role.AUDITOR):
        entries = dict(Entry.objects.filter(table_name="clients_client").values_list("row_key", "pk"))
    auditor, manager = visit("auditor"), visit("management")
    for key, address in clients.items():
        trail = f"{ADMIN}audit/entry/{entries[str(key)]}/change/"
        history = f"{ADMIN}clients/client/{key}/history/"
        page = auditor.get(trail).content.decode()
        assert html.escape(SHOWN.get(address, HIDDEN)) in page
        assert ("***@***" in page) == (address in SHOWN), address
        for shown in (
            page,
            *(auditor.get(path).content.decode() for path in (f"{ADMIN}clients/client/{key}/change/", history)),
        ):
            assert not seen_in(shown, address) or len(address) < 5, address
        assert seen_in(manager.get(trail).content.decode(), address)


@pytest.mark.parametrize(
    "subject", [one for one in (*SHOWN, *ODD) if one.isascii() and one.isprintable() and " " not in one]
)
def test_a_subject_of_the_provider_is_hidden_in_the_site_its_log_and_the_trail(
    subject: str, world: World, provider: Provider, visit: Any
) -> None:
    user = world.users["sales"]
    assert visit("superuser").post(page_of(user), binding(user, provider.issuer, subject)).status_code == 302
    identity = ExternalIdentity.objects.get(user=user)
    shown = SHOWN.get(subject, HIDDEN)
    assert str(identity) == f"{shown} at {provider.issuer}"
    with acting_as(Role.AUDITOR):
        logged = [f"{one.object_repr} {one.change_message} {one}" for one in LogEntry.objects.all()]
        (entry,) = Entry.objects.filter(table_name="accounts_externalidentity").values_list("pk", flat=True)
    assert any(shown in one for one in logged)
    paths = (
        page_of(user),
        f"{ADMIN}audit/entry/{entry}/change/",
        f"{ADMIN}admin/logentry/",
        f"{ADMIN}",
        f"{page_of(user)[:-7]}history/",
    )
    auditor = visit("auditor")
    pages = [auditor.get(path) for path in paths]
    assert [page.status_code for page in pages] == [200] * len(pages)
    assert html.escape(shown) in pages[0].content.decode()
    assert html.escape(shown) in pages[1].content.decode()
    if len(subject) > 4:
        assert not any(seen_in(page.content.decode(), subject) for page in pages)
        assert not any(subject in one for one in logged)
    assert seen_in(visit("management").get(page_of(user)).content.decode(), subject)


def test_whom_masks_are_for_exports_nothing(world: World, visit: Any) -> None:
    assert visit("auditor").post(f"{ADMIN}accounts/user/export/", {"role": "", "active": ""}).status_code == 403
