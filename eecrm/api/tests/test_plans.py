"""What a request costs doesn't grow with the company: PostgreSQL looks at the rows that it shows, and finds them by an index.

Nothing is asked of the planner (EXPLAIN), but what was done: how often a table was read from end to end, and how many of its rows
were looked at, in functions, triggers and foreign keys too. In a company of thousands the planner chooses freely, and as it does
for a million. What is looked for stands where it is reached last.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import django_filters
import pytest
from django.db import connection

from access.database import acting_as, because
from access.policy import Role
from access.tests.paths import body_of
from accounts.models import User
from api.resources.filters import ChoicesFilter, FlagFilter, KeyFilter, TextFilter
from audit.sync.views import BATCH
from audit.tests.replica import Replica
from audit.trail.history import INTERNAL_FILTERS, EntryFilterSet
from clients.views import ClientViewSet
from conftest import API, Caller, World, as_migrator, build_world, committing
from contracts.views import ContractViewSet
from events.hand_over import hand_over
from events.views import EventViewSet

SIZE = 6_000  # clients, and as many contracts and events; of each, the 40 oldest are another's, and in another status
FEW = 30  # rows that a range keeps
MOST = 400  # rows of a table that one request may look at: a page is 50

VIEWSETS = {"clients": ClientViewSet, "contracts": ContractViewSet, "events": EventViewSet}
TABLES = ("clients_client", "contracts_contract", "events_event", "entry")
FILL = """
ALTER TABLE clients_client DISABLE TRIGGER USER;
ALTER TABLE contracts_contract DISABLE TRIGGER USER;
ALTER TABLE events_event DISABLE TRIGGER USER;

INSERT INTO clients_client (status, company_name, first_name, last_name, email, phone, mobile, sales_contact_id, created_at, updated_at,
                            search, company_name_order, last_name_order)
SELECT CASE WHEN n <= 40 THEN 'prospect' ELSE 'client' END, 'Company ' || n, 'First', 'Last ' || n %% 200, n || '@company.example',
       phone, '', CASE WHEN n <= 40 THEN %(other_sales)s ELSE %(sales)s END, at, at,
       words_of('Company First Last ' || n || ' ' || n %% 200) || words_of(n || '@company.example', 'B') || phone_word(phone),
       order_key('Company ' || n), order_key('Last ' || n %% 200)
  FROM generate_series(1, %(size)s) AS n, LATERAL (SELECT timestamptz '2020-01-01 00:00Z' + n * interval '1 hour',
                                                     '+331990' || lpad(n::text, 5, '0')) AS made (at, phone);

INSERT INTO contracts_contract (client_id, sales_contact_id, name, status, amount, payment_due, signed_at, created_at, updated_at,
                                search, name_order)
SELECT id, sales_contact_id, name, CASE WHEN n <= 40 THEN 'draft' ELSE 'signed' END, n, date '2020-01-01' + n::integer,
       CASE WHEN n > 40 THEN created_at END, created_at, created_at,
       words_of(name) || ts_filter(search, '{a,b}'), order_key(name)
  FROM (SELECT *, row_number() OVER (ORDER BY id) AS n FROM clients_client) AS client,
       LATERAL (SELECT 'Gala ' || n %% 50) AS told (name)
 WHERE account_id IS NULL;

INSERT INTO events_event (contract_id, sales_contact_id, support_contact_id, name, status, attendees, starts_at, location, notes,
                          created_at, updated_at, search, name_order)
SELECT id, sales_contact_id,
       CASE WHEN n <= 40 THEN %(other_support)s WHEN n > 80 THEN %(support)s END, 'Dinner ' || n %% 50,
       CASE WHEN n <= 40 THEN 'closed' WHEN n <= 80 THEN 'in_progress' ELSE 'created' END, n, created_at, '', '',
       created_at, created_at, words_of('Dinner') || search, order_key('Dinner ' || n %% 50)
  FROM (SELECT *, row_number() OVER (ORDER BY id) AS n FROM contracts_contract) AS contract
 WHERE name LIKE 'Gala%%';

INSERT INTO audit.entry (table_name, row_key, operation, actor_id, actor_name, role, channel, request_id, reason, new, is_synced)
SELECT place, key, 'update', %(sales)s, 'sales', 'eecrm_sales', 'api', 'request-' || key, '',
       '{"status": "client", "version": 2}', true
  FROM (SELECT 'clients_client', id FROM clients_client UNION ALL SELECT 'contracts_contract', id FROM contracts_contract
         UNION ALL SELECT 'events_event', id FROM events_event) AS row (place, key), generate_series(1, 2);

ALTER TABLE clients_client ENABLE TRIGGER USER;
ALTER TABLE contracts_contract ENABLE TRIGGER USER;
ALTER TABLE events_event ENABLE TRIGGER USER;
"""


class Company(NamedTuple):
    world: World
    cursors: dict[Role, str]  # of copies that were read when there was the world only


# Whoever has least of what there is; the roles that see all see it under one policy.
PEOPLE = {Role.EXTERNAL: "partner", Role.SALES: "other_sales", Role.SUPPORT: "other_support", Role.AUDITOR: "auditor"}


@pytest.fixture(scope="module")
def company(django_db_setup: None, django_db_blocker: Any) -> Iterator[Company]:
    """In the open, since the planner has figures of what is committed only."""
    with committing(django_db_blocker), as_migrator() as migrator, migrator.cursor() as cursor:
        world = build_world()
        copies = {role: Replica(Caller.as_user(world.users[name])) for role, name in PEOPLE.items()}
        for copy in copies.values():
            copy.catch_up()
        connection.close()
        people = {name: user.pk for name, user in world.users.items()}
        # What isn't flushed yet can't be marked as seen by all, and is counted in the table then.
        cursor.execute("SET synchronous_commit = on")
        cursor.execute(
            "VACUUM FULL contracts_contract, clients_client, events_event, audit.entry"
        )  # of what others left
        cursor.execute(FILL, people | {"size": SIZE})
        cursor.execute("VACUUM ANALYZE clients_client, contracts_contract, events_event, audit.entry")
        yield Company(world, {role: copy.cursor for role, copy in copies.items()})


@pytest.fixture(autouse=True)
def in_a_transaction(db: None, settings: Any) -> None:
    settings.RATE_LIMITS = {name: (10_000_000, seconds) for name, (_, seconds) in settings.RATE_LIMITS.items()}


@pytest.fixture
def calls(company: Company) -> Callable[[Role], Caller]:
    return lambda role: Caller.as_user(company.world.users[PEOPLE[role]])


class Reading:
    """What is read of the tables that grow. `judge` says it of all since the last time."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self._before = self._counted()

    def _counted(self) -> dict[str, tuple[int, int]]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT relname, seq_scan, idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = ANY(%s)",
                [list(TABLES)],
            )
            return {table: (scans, rows) for table, scans, rows in cursor.fetchall()}

    def judge(self, what: str, *, most: float = MOST) -> None:
        now = self._counted()
        for table, (scans, rows) in now.items():
            before = self._before[table]
            if scans > before[0] or rows > before[1] + most:
                self.faults.append(f"{what}: {scans - before[0]} scans and {rows - before[1]} rows of {table}")
        self._before = now


def get(caller: Caller, address: str, query: dict[str, str] | None = None) -> Any:
    response = caller.get(address, query)
    assert response.status_code == 200, response.content
    return response.json()


def asked(name: str, one: Any, model: Any) -> list[str]:
    """Values of a filter: of one of the first rows, and near the ends of a range."""
    match one:
        case FlagFilter():
            return ["true", "false"]
        case ChoicesFilter():
            return [*one.extra["choices"].values, ",".join(one.extra["choices"].values[-2:])]
    with acting_as(Role.SUPERUSER):
        rows = model.objects.order_by("pk").values_list(one.field_name, flat=True)
        match one:
            case KeyFilter() | TextFilter():
                return [str(rows[FEW])]
            case django_filters.Filter(lookup_expr="gte" | "lte"):
                values = rows.order_by(one.field_name)
                return [str(value).replace(" ", "T") for value in (values[FEW], values.reverse()[FEW])]
    raise AssertionError(f"Say here what the filter {name} is asked.")


def filtered(viewset: Any, role: Role) -> list[dict[str, str]]:
    filterset, model = viewset.filterset_class, viewset.queryset.model
    hidden = filterset.personal if role is Role.AUDITOR else ()
    filters = {name: one for name, one in filterset.base_filters.items() if name not in hidden}
    return [{name: value} for name, one in filters.items() for value in asked(name, one, model)]


# Words that are nowhere, in one row, in all, and together.
SEARCHES = ("zzzz", "5417", "company", "com", "first 5417", "com zzzz", "f", "f zzzz", "zz-zz", "01 99 00 54 17")

each_list = pytest.mark.parametrize("collection", VIEWSETS)
each_role = pytest.mark.parametrize("role", PEOPLE)
# A contact of each kind, and who sees their own rows only.
each_owner = pytest.mark.parametrize("role", [Role.EXTERNAL, Role.SALES, Role.SUPPORT])


@each_list
@each_owner
def test_a_page_in_each_order_and_the_next_one(role: Role, collection: str, calls: Any) -> None:
    caller, reading = calls(role), Reading()
    for name in VIEWSETS[collection].ordering_fields:
        for order in (name, f"-{name}"):
            first = get(caller, f"{API}{collection}/", {"ordering": order})
            reading.judge(order)
            if first["next"]:
                get(caller, first["next"])
                reading.judge(f"{order}, page 2")
    assert reading.faults == []


@each_list
@each_owner
def test_a_page_with_each_filter(role: Role, collection: str, calls: Any) -> None:
    caller, queries = calls(role), filtered(VIEWSETS[collection], role)
    reading = Reading()
    for query in queries:
        for order in ("id", "-id"):
            get(caller, f"{API}{collection}/", query | {"ordering": order})
            # What is left where something isn't so stands in no index: it is met on the way through one.
            reading.judge(f"{query} by {order}", most=math.inf if "false" in query.values() else MOST)
    assert reading.faults == []


@each_list
@each_role
def test_a_page_of_what_a_search_finds(role: Role, collection: str, calls: Any) -> None:
    caller, reading = calls(role), Reading()
    for words in SEARCHES:
        for query in ({}, {"mine": "true"}, {"ordering": "created_at"}):
            get(caller, f"{API}{collection}/", query | {"search": words})
            reading.judge(f"{words} with {query}")
    assert reading.faults == []


@each_list
def test_the_number_of_rows(collection: str, calls: Any) -> None:
    """Each is counted, in an index."""
    caller, queries = calls(Role.SALES), filtered(VIEWSETS[collection], Role.SALES)
    reading = Reading()
    for query in [{}, *queries, {"search": "5417"}]:
        get(caller, f"{API}{collection}/", query | {"count": "true"})
        reading.judge(f"{query}", most=math.inf)
    assert reading.faults == []


@each_role
def test_what_lies_below_a_row(role: Role, company: Company, calls: Any) -> None:
    caller, client, contract = calls(role), company.world.own_client, company.world.own_signed
    reading = Reading()
    for address in (f"clients/{client.pk}/contracts/", f"clients/{client.pk}/contracts/{contract.pk}/events/"):
        get(caller, API + address)
        reading.judge(address)
        get(caller, API + address, {"search": "own", "count": "true"})
        reading.judge(f"{address} with a search")
    assert reading.faults == []


@each_role
def test_the_history_of_a_row_with_each_filter(role: Role, company: Company, calls: Any) -> None:
    caller, row = calls(role), company.world.own_event
    values = {"actor": str(company.world.users["sales"].pk), "request_id": f"request-{row.pk}"}
    reading = Reading()
    unknown = INTERNAL_FILTERS if role == Role.EXTERNAL else ()
    for name in ("", *(name for name in EntryFilterSet.base_filters if name not in unknown)):
        query = {name: values.get(name, "2026-01-01T00:00:00Z")} if name else {}
        get(caller, f"{API}events/{row.pk}/history/", query)
        reading.judge(f"{query}")
    assert reading.faults == []


@each_role
def test_pages_of_an_offline_copy(role: Role, company: Company, calls: Any) -> None:
    """The first ones, and those of what has changed, for which a batch of the log is read."""
    caller, reading = calls(role), Reading()
    for name, cursor in (("first pages", ""), ("changes", company.cursors[role])):
        for _ in range(3):
            query = {"page_size": "50"} | ({"cursor": cursor} if cursor else {})
            cursor = get(caller, f"{API}sync/", query)["next"]
            reading.judge(name, most=3 * BATCH)
    assert reading.faults == []


def test_rows_that_are_made_changed_and_deleted(company: Company) -> None:
    """With the triggers' and the foreign keys' own questions."""
    users = company.world.users
    sales, support, management = (Caller.as_user(users[name]) for name in ("sales", "support", "management"))
    reading = Reading()

    def send(caller: Caller, method: str, address: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        response = getattr(caller, method)(API + address, body)
        assert response.status_code in (200, 201, 204), response.content
        reading.judge(f"{method} {address}")
        return response.json() if response.content else {}

    client = send(sales, "post", "clients/", body_of("client", company.world, contact=""))
    place = f"clients/{client['id']}/"
    send(sales, "patch", place, {"status": "client", "company_name": "Fjordkraft Kajak"})
    contract = send(sales, "post", f"{place}contracts/", body_of("contract", company.world))
    send(sales, "patch", f"contracts/{contract['id']}/", {"name": "Regatta", "status": "signed"})
    event = send(sales, "post", f"{place}contracts/{contract['id']}/events/", body_of("event", company.world))
    send(management, "patch", f"events/{event['id']}/", {"support_contact_id": users["support"].pk})
    send(support, "patch", f"events/{event['id']}/", {"name": "Start", "status": "in_progress"})
    send(management, "patch", place, {"sales_contact_id": users["other_sales"].pk, "last_name": "Else"})
    for caller, row in ((support, f"events/{event['id']}/"), (management, f"contracts/{contract['id']}/")):
        send(caller, "delete", row)
    send(sales, "delete", place)
    assert reading.faults == []


def test_what_a_contact_had_is_handed_over(company: Company) -> None:
    users, reading = company.world.users, Reading()
    for leaver, successor in (("other_sales", "sales"), ("other_support", "support")):
        with because("Leaves on Friday"), acting_as(Role.SUPERUSER):
            hand_over(users[leaver], users[successor], deactivates=True)
        reading.judge(leaver, most=10 * MOST)
    with acting_as(Role.SUPERUSER):
        User.objects.filter(pk=users["other_sales"].pk).delete()
    reading.judge("the account deleted")
    assert reading.faults == []
