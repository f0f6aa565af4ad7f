"""`manage.py load_demo`: the sample accounts, a believable company, and as many invented clients as are asked for."""

import io
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import psycopg2.extras
import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from psycopg2 import errorcodes

from access.database import acting_as
from access.policy import Role
from access.refusals import refusal_of
from accounts.models import User
from clients.models import Client
from config import environment
from config.environment import ROOT
from conftest import API, Caller, committing
from contracts.models import Contract
from events.demo import inserting, loading
from events.demo.accounts import PASSWORD
from events.demo.inserting import insert_rows
from events.demo.rows import ClientRow, EventRow
from events.models import Event

NOTHING = "The sample accounts and the demo company are there already: nothing was changed.\n"


def load(*options):
    output = io.StringIO()
    call_command("load_demo", "--verbosity=0", *options, stdout=output)
    return output.getvalue()


@pytest.fixture
def loaded(without_world):
    return load()


@pytest.fixture
def as_superuser(loaded):
    with acting_as(Role.SUPERUSER):
        yield


@pytest.fixture(params=[(), ("--clients=200",)], ids=["made by hand", "invented"])
def each_company(without_world, request):
    load(*request.param)
    with acting_as(Role.SUPERUSER):
        yield


def counted():
    with acting_as(Role.SUPERUSER):
        return Client.objects.count(), Contract.objects.count(), Event.objects.count()


def everything():
    with acting_as(Role.SUPERUSER):
        return [list(model.objects.order_by("pk").values_list("pk", "version")) for model in (Client, Contract, Event)]


def test_the_sample_accounts_log_in_and_do_what_they_are_for(loaded):
    roles = {}
    for user in User.objects.all():
        response = Caller().post(f"{API}users/login/", {"username": user.username, "password": PASSWORD})
        assert response.status_code == 200
        roles[user.username] = user.effective_role
    assert roles == {
        "oc-salesman": Role.SALES, "oc-salesman2": Role.SALES,
        "oc-manager": Role.MANAGEMENT, "oc-manager2": Role.MANAGEMENT,
        "oc-supporttech": Role.SUPPORT, "oc-supporttech2": Role.SUPPORT,
        "oc-auditor": Role.AUDITOR, "oc-partner": Role.EXTERNAL, "admin-oc": Role.SUPERUSER,
    }  # fmt: skip
    assert User.objects.get(username="oc-partner").display_name == "Claire Fontaine"
    assert loaded == (
        "Made 9 sample accounts with the password Epic-Events-2026!\n"
        "Loaded the demo company: 40 clients, 70 contracts and 60 events.\n"
    )


def test_there_is_something_in_every_state_for_everybody(as_superuser):
    assert {status: Client.objects.filter(status=status).count() for status in Client.Status.values} == {
        "prospect": 10, "client": 30,
    }  # fmt: skip
    assert {status: Contract.objects.filter(status=status).count() for status in Contract.Status.values} == {
        "draft": 20, "signed": 50,
    }  # fmt: skip
    assert Event.objects.count() == 60
    assert Contract.objects.signed().filter(events=None).exists()
    assert 5 < Contract.objects.overdue().count() < 35
    for status in Event.Status.values:
        assert Event.objects.filter(status=status).count() >= 3
    for contact in User.objects.support_contacts():
        assert contact.events.count() >= 15
    for contact in User.objects.sales_contacts():
        assert contact.clients.count() == 20
    assert Event.objects.unassigned().exists()
    assert not Event.objects.unassigned().exclude(status="created").exists()


def test_every_row_is_one_that_the_api_would_take(each_company):
    for client in Client.objects.all():
        client.clean_fields(exclude={"sales_contact", "account"})
        assert client.email.endswith(".example")
        assert client.phone.is_valid() and client.mobile.is_valid()
    for contract in Contract.objects.all():
        contract.clean_fields(exclude={"client"})
    for event in Event.objects.all():
        event.clean_fields(exclude={"contract", "support_contact"})


def test_things_happen_in_their_order_within_a_year_of_today(each_company):
    now, year = timezone.now(), timedelta(days=366)
    for event in Event.objects.select_related("contract__client"):
        contract, client = event.contract, event.contract.client
        assert (
            client.created_at
            <= contract.created_at
            <= contract.signed_at
            <= event.created_at
            <= event.updated_at
            <= now
        )
        assert now - year < event.starts_at < event.ends_at < now + year
        assert (event.status == "closed") <= (event.ends_at < now)
        assert (event.status == "created") <= (event.starts_at > now)


def test_the_partner_reads_one_client_with_contracts_and_events(loaded):
    partner = Caller.as_user(User.objects.get(username="oc-partner"))
    counts = [
        len(partner.get(f"{API}{resource}/").json()["results"]) for resource in ("clients", "contracts", "events")
    ]
    assert counts == [1, 2, 3]


def test_a_second_run_changes_nothing_and_says_so(loaded):
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="oc-manager").update(password="chosen since", first_name="Else")
    before = everything()
    assert load() == NOTHING
    assert everything() == before
    assert User.objects.get(username="oc-manager").password == "chosen since"


def test_what_somebody_deleted_stays_away(loaded):
    with acting_as(Role.SUPERUSER):
        Client.objects.filter(status="prospect").delete()
    assert load() == NOTHING
    assert counted() == (30, 70, 60)


def test_an_account_that_is_missing_is_made_again(loaded):
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="oc-auditor").delete()
    assert load() == "Made 1 sample account with the password Epic-Events-2026!\n"


def change(username, /, **values):
    User.objects.filter(username=username).update(**values)


def delete_company():
    for model in (Event, Contract, Client):
        model.objects.all().delete()


REFUSED = " was not made. Another account had this username before: choose one that nobody has had.\n"


def edit_accounts():
    change("oc-supporttech2", username="karin.vogel")
    change("admin-oc", username="root")
    change("oc-auditor", username="left")
    User.objects.filter(username="left").delete()  # so the name is free again
    change("oc-salesman2", is_active=False)
    change("oc-partner", role=Role.SALES, email="")
    change("oc-manager2", role=Role.EXTERNAL, email="oc-auditor@epic-events.example")


def rename_sales():
    change("oc-salesman", username="old")
    change("oc-salesman2", username="old2")


def edit_company():
    Event.objects.all().delete()
    Contract.objects.all().delete()
    Client.objects.update(company_name="Renamed")


def delete_company_and_contacts():
    delete_company()
    change("oc-salesman", is_active=False)
    change("oc-partner", username="claire")


MADE = "Made 1 sample account with the password Epic-Events-2026!\n"
LOADED = "Loaded the demo company: 40 clients, 70 contracts and 60 events.\n"


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (edit_accounts, f"oc-supporttech2{REFUSED}admin-oc{REFUSED}{MADE}"),
        (rename_sales, f"oc-salesman{REFUSED}oc-salesman2{REFUSED}{NOTHING}"),
        (edit_company, NOTHING),
        (delete_company, LOADED),
        (delete_company_and_contacts, f"oc-partner{REFUSED}{LOADED}"),
    ],
)
def test_a_run_goes_on_after_each_edit_of_the_demo(loaded, edit, said):
    with acting_as(Role.SUPERUSER):
        edit()
        accounts = list(User.objects.values_list("pk", "username", "role", "is_active", "email"))
    assert load() == said
    before = everything()
    assert load().endswith(NOTHING), "a third run changes nothing either"
    assert everything() == before
    with acting_as(Role.SUPERUSER):
        kept = User.objects.filter(pk__in=[account[0] for account in accounts])
        assert list(kept.values_list("pk", "username", "role", "is_active", "email")) == accounts


def test_an_account_that_is_no_partner_is_linked_to_no_client(loaded):
    with acting_as(Role.SUPERUSER):
        delete_company()
        change("oc-partner", role=Role.SALES)
    load()
    with acting_as(Role.SUPERUSER):
        assert not Client.objects.exclude(account=None).exists()


def test_scripts_run_goes_on_without_the_company(django_db_blocker):
    code = "import database; database.load_demo(); print('goes on')"
    environment = os.environ | {
        "PYTHONPATH": str(ROOT / "tools" / "local"),
        "PG_DATABASE": str(connection.settings_dict["NAME"]),
    }
    with committing(django_db_blocker):
        with acting_as(Role.SUPERUSER):
            for username in ("oc-salesman", "oc-salesman2"):
                User.objects.create(username=username, role=Role.AUDITOR)
        result = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
        )
    assert "none of them is an active sales" in result.stderr
    assert result.stdout.endswith("could not be loaded; Django says why above. Going on without it.\ngoes on\n")


def test_the_company_needs_somebody_to_look_after_it(without_world):
    with acting_as(Role.SUPERUSER):
        for username in ("oc-salesman", "oc-salesman2"):
            User.objects.create(username=username, role=Role.AUDITOR)
    with pytest.raises(CommandError, match="none of them is an active sales"):
        load()
    assert counted() == (0, 0, 0)


def test_production_has_no_sample_accounts(without_world, monkeypatch):
    monkeypatch.setattr(environment, "IS_PRODUCTION", True)
    with pytest.raises(CommandError, match="APP_ENV is production"):
        load()
    assert not User.objects.exists()


def test_as_many_clients_as_are_asked_for_and_no_more_the_next_time(without_world, monkeypatch):
    monkeypatch.setattr(loading, "MAX_CLIENTS_PER_TRANSACTION", 60)
    assert "Invented 160 clients, 280 contracts and 240 events in " in load("--clients=200")
    assert counted() == (200, 350, 300)
    before = everything()
    assert load("--clients=200") == NOTHING + "There are 200 clients or more already: none was invented.\n"
    assert everything() == before
    assert "Invented 3 clients" in load("--clients=203")
    assert counted()[0] == 203


@pytest.mark.parametrize("number", ["0", "-5"])
def test_a_number_of_clients_is_positive(without_world, number):
    with pytest.raises(CommandError, match="argument --clients: write a whole number from 1 to 10,000,000."):
        load(f"--clients={number}")


def test_any_text_goes_in_unchanged(as_superuser):
    moment = datetime(2026, 5, 1, 12, tzinfo=UTC)
    name, notes = "back\\slash, \\N, \\t, Łódź", "Tab\there, back\\slash, \\N, line\nbreak"
    contact = User.objects.sales_contacts().first().pk
    row = ClientRow(1_000_000, "client", name, "Ann", "Doe", "ann@tab.example", "", "", contact, None, moment, moment)
    insert_rows(Client, [row], ClientRow._fields)
    client = Client.objects.get(pk=1_000_000)
    signed = Contract.objects.signed().first().pk
    event = EventRow(signed, None, name, "created", 5, moment, moment, name, notes, moment, moment)
    insert_rows(Event, [event], EventRow._fields)
    assert Event.objects.values_list("name", "location", "notes").get(contract=signed, attendees=5) == (
        name,
        name,
        notes,
    )
    assert (client.company_name, client.phone, client.account_id, client.created_at) == (name, "", None, moment)


def test_a_refusal_in_the_middle_of_many_rows_has_its_sentence(as_superuser):
    moment = datetime(2026, 5, 1, 12, tzinfo=UTC)
    contact = User.objects.support_contacts().first().pk
    row = ClientRow(
        1_000_000, "client", "Nordlys", "Ann", "Doe", "ann@x.example", "", "", contact, None, moment, moment
    )
    with pytest.raises(IntegrityError) as refusal, transaction.atomic():
        insert_rows(Client, [row], ClientRow._fields)
    assert refusal_of(refusal.value).sentence == "A sales contact is an active sales user."


@pytest.fixture
def slow(monkeypatch):
    """`slow(100)`: PostgreSQL takes too long for more rows than that in a statement. Returns how many were tried."""
    tried = []

    def start(most):
        def insert(cursor, statement, rows, page_size):
            for page in batched(rows, page_size):
                tried.append(len(page))
                if len(page) > most:
                    cursor.execute("SET LOCAL statement_timeout = '20ms'; SELECT pg_sleep(20)")
                psycopg2.extras.execute_values(cursor, statement, page, page_size=page_size)

        monkeypatch.setattr(inserting, "execute_values", insert)
        return tried

    return start


def batched(rows, size):
    rows = list(rows)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def test_no_statement_has_many_rows(without_world, slow):
    tried = slow(inserting.MAX_DEMO_ROWS_PER_STATEMENT)
    load("--clients=1200")
    assert counted() == (1200, 2100, 1800)
    assert max(tried) == inserting.MAX_DEMO_ROWS_PER_STATEMENT == 250


def test_where_a_statement_takes_too_long_fewer_rows_are_tried(without_world, slow):
    tried = slow(60)
    load("--clients=340")
    assert counted() == (340, 595, 510)
    assert max(tried) == 250
    assert tried[-1] <= 60


def test_a_database_that_stays_busy_is_told_and_what_was_loaded_stays(without_world, slow):
    slow(3)
    with pytest.raises(CommandError) as refused:
        load("--clients=2000")
    assert refused.value.__cause__.__cause__.pgcode == errorcodes.QUERY_CANCELED
    sentence = refusal_of(refused.value.__cause__).sentence
    assert str(refused.value) == f"{sentence} What was loaded until then stays: the same command goes on from there."
    assert counted() == (40, 70, 60)
