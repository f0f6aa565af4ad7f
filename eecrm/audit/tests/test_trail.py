"""The trail: whichever way a write comes in, exactly one entry tells who did what, when, by which way and why."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from access.database import acting_as, give_reason
from access.policy import Role
from accounts.models import ExternalIdentity, Mail, User
from accounts.tests.conftest import visit  # noqa: F401  # a fixture
from audit.models import Entry
from audit.tests.conftest import Trail
from clients.models import Client
from config.environment import ROOT
from conftest import API, PASSWORD, PATIENCE, Caller, World, make_client, make_event

SITE = "/hidden-admin/"
BODY = {"company_name": "Bloom & Fils", "first_name": "Léa", "last_name": "Bloom", "email": "lea@bloom.example"}
HEADERS = {"HTTP_X_REQUEST_ID": "request-1", "HTTP_X_CHANGE_REASON": "Spoke to Léa".encode().decode("latin-1")}


def only(entries: list[Entry]) -> Entry:
    assert len(entries) == 1, entries
    return entries[0]


def who(entry: Entry) -> tuple[Any, ...]:
    return entry.actor_id, entry.actor_name, entry.role, entry.channel, entry.caller_request_id, entry.reason


def what(entry: Entry) -> tuple[str, str, str]:
    return entry.operation, entry.table_name, entry.row_key


def test_the_api_leaves_one_entry_for_each_write(world: World, sales: Caller, told: Any) -> None:
    told()
    before = timezone.now()
    row = sales.post(API + "clients/", BODY, **HEADERS).json()
    entry = only(told())
    assert what(entry) == ("insert", "clients_client", str(row["id"]))
    assert who(entry) == (sales.user.pk, "sales", "eecrm_sales", "api", "request-1", "Spoke to Léa")
    assert before - timedelta(seconds=1) < entry.at < timezone.now() + timedelta(seconds=1)
    assert int(entry.transaction_id) > 0
    assert entry.old is None
    assert entry.new == BODY | {
        "id": row["id"], "status": "prospect", "phone": "", "mobile": "", "sales_contact_id": sales.user.pk,
        "account_id": None, "version": 1, "created_at": entry.new["created_at"], "updated_at": entry.new["created_at"],
    }  # fmt: skip

    assert sales.patch(row["url"], {"company_name": "Bloom"}).status_code == 200
    changed = only(told())
    assert what(changed) == ("update", "clients_client", str(row["id"]))
    assert changed.new == {"company_name": "Bloom", "version": 2, "updated_at": changed.new["updated_at"]}
    assert changed.old == {"company_name": BODY["company_name"], "version": 1, "updated_at": entry.new["updated_at"]}
    assert (changed.reason, len(changed.request_id)) == ("", 32)

    assert sales.delete(row["url"], HTTP_X_REQUEST_ID="request-3").status_code == 204
    deleted = only(told())
    assert what(deleted) == ("delete", "clients_client", str(row["id"]))
    assert (deleted.new, deleted.caller_request_id) == (None, "request-3")
    assert deleted.old == entry.new | changed.new


@pytest.mark.parametrize(
    ("name", "method", "path", "body", "expected"),
    [
        ("sales", "post", "clients/{client}/contracts/", {"name": "C", "amount": "9.00", "payment_due": "2027-01-01"},
         ["insert contracts_contract"]),
        ("sales", "patch", "contracts/{draft}/", {"status": "signed"}, ["update contracts_contract"]),
        ("sales", "delete", "contracts/{draft}/", None, ["delete contracts_contract"]),
        ("sales", "post", "clients/{client}/contracts/{signed}/events/",
         {"name": "E", "starts_at": "2027-01-01T00:00:00Z", "attendees": 3}, ["insert events_event"]),
        ("support", "patch", "events/{event}/", {"notes": "x"}, ["update events_event"]),
        ("support", "delete", "events/{event}/", None, ["delete events_event"]),
        ("management", "patch", "clients/{client}/", {"sales_contact_id": "@other_sales"}, ["update clients_client"]),
        ("auditor", "patch", "users/me/", {"first_name": "Ada"},
         ["update accounts_user", "insert accounts_mail", "insert accounts_mail"]),
        ("auditor", "post", "users/me/email/", {"email": "new@epic.example", "password": PASSWORD},
         ["insert accounts_addresschange", "insert accounts_mail", "insert accounts_mail"]),
        ("auditor", "post", "users/me/password/", {"old_password": PASSWORD, "new_password": "a different long phrase"},
         ["update accounts_user", "update accounts_tokensession"]),
        ("auditor", "post", "users/logout-all/", {}, ["update accounts_tokensession"]),
        ("auditor", "get", "clients/", None, []),
        ("sales", "patch", "clients/{other_client}/", {"status": "prospect"}, []),  # refused
        ("support", "delete", "clients/{client}/", None, []),  # refused
    ],
)  # fmt: skip
def test_every_kind_of_write_of_the_api(
    name: str, method: str, path: str, body: Any, expected: list[str], world: World, caller: Any, told: Any
) -> None:
    keys = {name: user.pk for name, user in world.users.items()} | {
        "client": world.own_client.pk, "draft": world.own_draft.pk, "signed": world.own_signed.pk,
        "event": world.own_event.pk, "other_client": world.other_client.pk,
    }  # fmt: skip
    person = caller(name)
    told()
    body = {key: keys[value[1:]] if str(value)[:1] == "@" else value for key, value in (body or {}).items()}
    answer = getattr(person, method)(API + path.format(**keys), body, **HEADERS)
    entries = told()
    assert sorted(f"{entry.operation} {entry.table_name}" for entry in entries) == sorted(expected), answer.content
    for entry in entries:
        assert who(entry)[:2] == (person.user.pk, name)
        assert who(entry)[3:] == ("api", "request-1", "Spoke to Léa")


def test_the_admin_site_leaves_one_entry_for_each_write(world: World, visit: Any, told: Any) -> None:
    manager = visit("management")
    told()
    form = {
        "company_name": "Own Company", "status": "client", "sales_contact": world.users["other_sales"].pk, "account": "",
        "first_name": "Ann", "last_name": "Doe", "email": world.own_client.email, "phone": "+33199001234", "mobile": "",
    }  # fmt: skip
    page = f"{SITE}clients/client/{world.own_client.pk}/change/"
    assert manager.post(page, form, HTTP_X_REQUEST_ID="request-2").status_code == 302
    entry = only(told())
    assert who(entry) == (world.users["management"].pk, "management", "eecrm_management", "admin", "request-2", "")
    assert set(entry.new) == {"sales_contact_id", "account_id", "mobile", "version", "updated_at"}
    assert (entry.old["account_id"], entry.new["account_id"]) == (world.users["partner"].pk, None)


def test_a_command_leaves_one_entry_for_each_row(world: World, tmp_path: Path, told: Any) -> None:
    told()
    path = tmp_path / "list.csv"
    path.write_text("company,first name,last name,email\nA,Ann,Doe,a@a.example\nB,Bob,Doe,b@b.example\n")
    call_command("import_clients", str(path), "--sales-contact=sales", "--verbosity=0", stdout=StringIO())
    entries = told()
    assert [entry.new["company_name"] for entry in entries] == ["A", "B"]
    assert {who(entry) for entry in entries} == {(None, "", "eecrm_management", "command", "", "")}
    assert len({entry.transaction_id for entry in entries}) == 1


def test_a_reason_may_be_given_within_a_transaction(world: World, told: Any) -> None:
    told()
    with acting_as(Role.MANAGEMENT, user_id=world.users["management"].pk):
        give_reason("Handed over")
        Client.objects.filter(pk=world.own_client.pk).update(company_name="New")
    assert who(only(told()))[1:] == ("management", "eecrm_management", "command", "", "Handed over")
    give_reason("")


def test_the_worker_leaves_an_entry_for_a_mail_and_seals_it(
    committed_world: World, trail: Trail, tmp_path: Path
) -> None:
    mail = Mail.objects.create(kind="password_reset", user=committed_world.users["sales"])
    environment = os.environ | {"PG_DATABASE": connection.settings_dict["NAME"], "EECRM_HOME": str(tmp_path)}
    command = [sys.executable, str(ROOT / "eecrm" / "manage.py"), "run_worker", "--once"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert '"worker_ended"' in done.stderr
    with acting_as(Role.AUDITOR):
        created, sent = Entry.objects.order_by("pk")
    assert what(sent) == ("update", "accounts_mail", str(mail.pk))
    assert who(sent) == (None, "", "eecrm_app", "worker", "", "")
    assert set(sent.new) == {"sent_at"}
    assert trail.one("SELECT last_id FROM audit.boundary") >= created.pk, "the worker doesn't seal"


def test_raw_sql_is_told_as_such(committed_world: World, trail: Trail, other_connection: Any) -> None:
    client = committed_world.own_client.pk
    cursor = other_connection.cursor()
    cursor.execute("SET LOCAL ROLE eecrm_sales")
    cursor.execute("UPDATE clients_client SET company_name = 'By hand' WHERE id = %s", [client])
    other_connection.commit()
    trail.run("UPDATE clients_client SET company_name = 'By the owner' WHERE id = %s", client)
    with acting_as(Role.AUDITOR):
        by_hand, by_owner = Entry.objects.order_by("pk")
    assert who(by_hand) == (None, "", "eecrm_sales", "sql", "", "")
    assert who(by_owner) == (None, "", "eecrm_migrator", "sql", "", "")
    assert by_owner.old["company_name"] == "By hand"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE accounts_user SET first_name = first_name, email = email",
        "UPDATE accounts_user SET first_name = 'X' WHERE false",
        "DELETE FROM events_event WHERE false",
        "INSERT INTO auth_group (name) VALUES ('Sales') ON CONFLICT DO NOTHING",
    ],
)
def test_a_write_that_changes_nothing_leaves_none(statement: str, world: World, told: Any) -> None:
    told()
    with acting_as(Role.SUPERUSER), connection.cursor() as cursor:
        cursor.execute(statement)
    assert told() == []


def test_what_was_rolled_back_leaves_none(world: World, told: Any) -> None:
    told()
    with pytest.raises(RuntimeError), acting_as(Role.SUPERUSER):
        make_client("Undone", world.users["sales"])
        raise RuntimeError
    assert told() == []


def test_a_statement_over_many_rows_leaves_an_entry_for_each(world: World, told: Any) -> None:
    told()
    with acting_as(Role.SUPERUSER), connection.cursor() as cursor:
        cursor.execute("UPDATE events_event SET notes = 'x'")
    assert sorted(entry.row_key for entry in told()) == sorted(
        str(row.pk) for row in (world.own_event, world.other_event)
    )


def test_what_a_deleted_account_takes_along_is_on_the_trail_too(world: World, migrator: Any, told: Any) -> None:
    with acting_as(Role.SUPERUSER):
        leaver = User.objects.create(username="leaver", role="support", password="!")
        ExternalIdentity.objects.create(user=leaver, issuer="https://id.example", subject="leaver")
        Mail.objects.create(kind="invitation", user=leaver)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO accounts_user_groups (user_id, group_id) SELECT %s, id FROM auth_group WHERE name = 'PII'",
                [leaver.pk],
            )
    told()
    with acting_as(Role.SUPERUSER):
        leaver.delete()
    entries = {entry.table_name: entry for entry in told()}
    assert set(entries) == {"accounts_user", "accounts_externalidentity", "accounts_user_groups", "accounts_mail"}
    assert {entry.operation for entry in entries.values()} == {"delete"}
    assert entries["accounts_externalidentity"].old["subject"] == "leaver"
    assert entries["accounts_user"].old["username"] == "leaver"


def test_a_login_and_its_end_are_told_and_a_refresh_is_not(world: World, anonymous: Caller, told: Any) -> None:
    told()
    pair = anonymous.post(API + "users/login/", {"username": "sales", "password": PASSWORD}).json()
    login = only(told())
    assert what(login)[:2] == ("insert", "accounts_tokensession")
    assert who(login)[:4] == (world.users["sales"].pk, "sales", "eecrm_app", "api")
    pair = anonymous.post(API + "users/refresh/", {"refresh": pair["refresh"]}).json()
    assert told() == []
    phone = Caller(HTTP_AUTHORIZATION=f"Bearer {pair['access']}")
    assert phone.post(API + "users/logout/", {"refresh": pair["refresh"]}).status_code == 204
    logout = only(told())
    assert (what(logout)[0], set(logout.new), logout.row_key) == ("update", {"revoked_at"}, login.row_key)


def test_a_deletion_keeps_every_stored_column_as_it_was(world: World, told: Any) -> None:
    """But for those that PostgreSQL writes by itself, out of others."""
    with acting_as(Role.SUPERUSER):
        event = make_event(world.own_signed, "Ends", world.users["support"], notes='Ünïcode \\ "quoted"\n2nd line')
        with connection.cursor() as cursor:
            stored_columns = "to_jsonb(events_event) - '{search,name_order,sales_contact_id}'::text[]"
            cursor.execute(f"SELECT {stored_columns} FROM events_event WHERE id = %s", [event.pk])
            (stored,) = cursor.fetchone()
    told()
    with acting_as(Role.SUPERUSER):
        event.delete()
    assert only(told()).old == json.loads(stored)
