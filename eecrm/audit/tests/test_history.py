"""`{object}/history/`: what the trail tells whoever sees the object, and nobody else."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from access.database import Origin, acting_as, because, origin
from access.policy import Role
from access.tests.paths import address
from access.tests.test_routes import wrong_chains
from audit.models import Entry
from conftest import API, PRIVILEGE, Caller, World, make_client, make_contract, make_event, refused_with

PEOPLE = ("sales", "other_sales", "support", "management", "auditor", "partner", "unlinked", "superuser", "anonymous")


def history(caller: Caller, row: Any, query: str = "", *, nested: bool = True) -> list[dict[str, Any]]:
    response = caller.get(f"{address(row, nested=nested)}history/{query}")
    assert response.status_code == 200, response.content
    return response.json()["results"]


def told(entry: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {change["field"]: (change["old"], change["new"]) for change in entry["changes"]}


def own_rows(world: World) -> list[Any]:
    return [world.own_client, world.own_draft, world.own_event]


def other_rows(world: World) -> list[Any]:
    return [world.other_client, world.other_draft, world.other_event]


@pytest.mark.parametrize("name", PEOPLE)
@pytest.mark.parametrize("nested", [True, False])
def test_who_sees_a_row_sees_its_history_and_nobody_else(name: str, nested: bool, world: World, caller: Any) -> None:
    person = caller(name)
    for row in (*own_rows(world), *other_rows(world)):
        path = address(row, nested=nested)
        seen = person.get(path).status_code
        assert seen in (200, 401, 404)
        assert person.get(f"{path}history/").status_code == seen, path


def test_both_outcomes_were_met(world: World, caller: Any) -> None:
    seen = {
        name: [caller(name).get(f"{address(row)}history/").status_code for row in (world.own_draft, world.other_draft)]
        for name in ("support", "partner", "unlinked", "anonymous")
    }
    assert seen == {"support": [200, 200], "partner": [200, 404], "unlinked": [404, 404], "anonymous": [401, 401]}


def test_through_a_wrong_parent_there_is_no_history(world: World, management: Caller) -> None:
    for path in wrong_chains(world):
        assert management.get(f"{API}{path}history/").status_code == 404, path
    for path in ("clients/4611686018427387904/", "contracts/0/", "events/abc/"):
        assert management.get(f"{API}{path}history/").status_code == 404, path


def test_a_change_is_told_with_who_when_why_and_through_what(world: World, sales: Caller) -> None:
    started = datetime.now(UTC)
    response = sales.patch(
        address(world.own_client),
        {"last_name": "Garnier", "phone": "+33199005678"},
        HTTP_X_REQUEST_ID="the-request-1",
        HTTP_X_CHANGE_REASON="Remarié(e)".encode().decode("latin-1"),
    )
    assert (response.status_code, response["X-Request-ID"]) == (200, "the-request-1")
    newest = history(sales, world.own_client)[0]
    assert started <= datetime.fromisoformat(newest["at"]) <= datetime.now(UTC)
    assert newest["at"].endswith("Z")
    assert {key: newest[key] for key in newest if key not in ("id", "at", "request_id")} == {
        "action": "update", "actor": {"id": world.users["sales"].pk, "name": "sales"}, "role": "sales",
        "channel": "api", "caller_request_id": "the-request-1", "reason": "Remarié(e)", "version": response.json()["version"],
        "changes": [
            {"field": "last_name", "old": "Doe", "new": "Garnier"},
            {"field": "phone", "old": "+33199001234", "new": "+33199005678"},
        ],
    }  # fmt: skip
    by_request = history(sales, world.own_client, f"?request_id={response['X-Request-ID']}")
    assert [entry["id"] for entry in by_request] == [newest["id"]]


FIELDS = {
    "client": {"status", "company_name", "first_name", "last_name", "email", "phone", "mobile", "sales_contact", "created_at"},
    "contract": {"client", "name", "status", "amount", "currency", "payment_due", "signed_at", "created_at"},
    "event": {"contract", "support_contact", "name", "status", "attendees", "starts_at", "ends_at", "location", "notes", "created_at"},
}  # fmt: skip


def test_a_new_row_is_told_in_the_words_of_its_representation(world: World, management: Caller) -> None:
    with acting_as(Role.SUPERUSER):
        event = make_event(
            world.own_signed, "Gala", world.users["support"], ends_at=datetime(2027, 6, 1, 23, 30, 0, 120000, UTC),
            starts_at=datetime(2027, 6, 1, 18, 0, tzinfo=UTC), location="Lyon", notes="Vegetarian",
        )  # fmt: skip
    for row in (world.own_client, world.own_signed, event):
        made = history(management, row)[-1]
        shown = management.get(address(row)).json()
        assert (made["action"], made["version"]) == ("create", 1)
        assert made["actor"] is None  # the command that made it entered a role, and nobody's account
        assert (made["role"], made["channel"]) == ("superuser", "command")
        assert set(told(made)) == FIELDS[row._meta.model_name]
        assert told(made) == {field: (None, shown[field]) for field in FIELDS[row._meta.model_name]}


def test_what_is_empty_in_a_new_row_is_not_told(world: World, sales: Caller) -> None:
    assert set(told(history(sales, world.own_draft)[-1])) == FIELDS["contract"] - {"signed_at"}


def test_money_keeps_its_last_places(world: World, sales: Caller) -> None:
    for amount in ("9999999999.90", "0.10", "1000.00"):
        assert sales.patch(address(world.own_draft), {"amount": amount}).status_code == 200
    amounts = [told(entry)["amount"] for entry in history(sales, world.own_draft)]
    assert amounts == [
        ("0.10", "1000.00"),
        ("9999999999.90", "0.10"),
        ("1500.00", "9999999999.90"),
        (None, "1500.00"),
    ]


def test_contacts_are_told_by_the_name_of_today_and_null_stays_null(world: World, management: Caller) -> None:
    people = world.users
    management.patch(address(world.own_client), {"sales_contact_id": people["other_sales"].pk})
    management.patch(address(world.own_event), {"support_contact_id": None})
    with acting_as(Role.SUPERUSER):
        people["other_sales"].last_name = "Renamed"
        people["other_sales"].save(update_fields=["last_name"])
    assert told(history(management, world.own_client)[0]) == {
        "sales_contact": (
            {"id": people["sales"].pk, "name": "Sales Person"}, {"id": people["other_sales"].pk, "name": "Other_Sales Renamed"},
        )
    }  # fmt: skip
    assert told(history(management, world.own_event)[0]) == {
        "support_contact": ({"id": people["support"].pk, "name": "Support Person"}, None)
    }


def test_a_contract_under_the_key_of_another_one_keeps_their_histories_apart(
    world: World, management: Caller, partner: Caller
) -> None:
    """A contract stays with its client; only under the key of one that is gone may another one come."""
    key, other = world.other_draft.pk, world.other_client.pk
    with because("A test"), acting_as(Role.SUPERUSER):
        world.other_draft.delete()
        contract = make_contract(world.own_client, "Under an old key", pk=key)
    made = (None, {"id": world.own_client.pk, "company_name": "Own Company"})
    gone = {"id": other, "company_name": "Other Company"}
    for person, expected in ((management, [made, (gone, None), (None, gone)]), (partner, [made])):
        assert [told(entry)["client"] for entry in history(person, contract)] == expected


@pytest.mark.parametrize("name", ["management", "sales", "partner", "auditor"])
def test_a_change_that_the_representation_does_not_show_is_left_out(name: str, world: World, caller: Any) -> None:
    with acting_as(Role.SUPERUSER):
        world.own_client.first_name = "Anna"
        world.own_client.save(update_fields=["first_name"])
        world.other_client.account = world.users["unlinked"]
        world.other_client.save(update_fields=["account"])
        world.own_client.account = None
        world.own_client.save(update_fields=["account"])
        world.own_client.account = world.users["partner"]
        world.own_client.save(update_fields=["account"])
    entries = history(caller(name), world.own_client)
    assert [set(told(entry)) for entry in entries] == [{"first_name"}, FIELDS["client"]]
    assert not any("account" in str(entry) for entry in entries)


def test_a_client_that_was_made_with_its_link_is_told_from_its_beginning(world: World, partner: Caller) -> None:
    entries = history(partner, world.own_client)
    assert told(entries[-1])["email"] == (None, world.own_client.email)


def personal(caller: Caller, world: World) -> list[tuple[Any, Any]]:
    return [value for entry in history(caller, world.own_client) for field, value in told(entry).items() if field in ("email", "phone", "mobile")]  # fmt: skip


def test_personal_data_is_masked_to_whom_the_object_shows_it_masked(
    world: World, sales: Caller, auditor: Caller
) -> None:
    sales.patch(address(world.own_client), {"email": "a.lambert@own.example", "phone": "", "mobile": "+33612345999"})
    assert personal(sales, world) == [
        ("ann.own.company@own.example", "a.lambert@own.example"), ("+33199001234", ""), ("+33612345678", "+33612345999"),
        (None, "ann.own.company@own.example"), (None, "+33199001234"), (None, "+33612345678"),
    ]  # fmt: skip
    masked = [
        ("a***@***.example", "a***@***.example"), ("***34", ""), ("***78", "***99"), (None, "a***@***.example"), (None, "***34"),
        (None, "***78"),
    ]  # fmt: skip
    assert personal(auditor, world) == masked
    shown = auditor.get(address(world.own_client)).json()
    assert [new for _, new in masked[:3]] == [shown["email"], shown["phone"], shown["mobile"]]
    with acting_as(Role.SUPERUSER):
        world.users["auditor"].groups.set(Group.objects.filter(name="PII_VIEW"))
    assert personal(auditor, world) == personal(sales, world)


def test_what_is_deleted_has_no_history_any_more(world: World, management: Caller) -> None:
    with acting_as(Role.SUPERUSER):
        client = make_client("Gone Company", world.users["sales"])
        key = client.pk
    assert management.delete(f"{API}clients/{key}/").status_code == 204
    assert management.get(f"{API}clients/{key}/history/").status_code == 404
    with because("A test"), acting_as(Role.SUPERUSER):
        operations = Entry.objects.filter(table_name="clients_client", row_key=str(key)).values_list(
            "operation", flat=True
        )
        assert set(operations) == {"insert", "delete"}
        client = make_client("Gone Company", world.users["sales"], pk=key)  # as restoring does: under the same key
    assert [entry["action"] for entry in history(management, client)] == ["create", "delete", "create"]
    deleted = history(management, client)[1]
    assert told(deleted)["company_name"] == ("Gone Company", None)
    assert deleted["version"] is None


def test_each_channel_and_an_account_that_is_gone(world: World, management: Caller) -> None:
    gone = world.users["unlinked"]
    token = origin.set(Origin("worker", "", ""))
    try:
        with acting_as(Role.SUPERUSER, user_id=gone.pk):
            world.own_draft.name = "Renamed"
            world.own_draft.save(update_fields=["name"])
    finally:
        origin.reset(token)
    with acting_as(Role.SUPERUSER):
        key = gone.pk
        gone.delete()
    newest = history(management, world.own_draft)[0]
    assert (newest["channel"], newest["actor"]) == ("worker", {"id": key, "name": "unlinked"})


def change(world: World, times: int) -> None:
    with acting_as(Role.SUPERUSER, user_id=world.users["sales"].pk):
        for number in range(times):
            world.own_draft.name = f"Draft {number} of {times}"
            world.own_draft.save(update_fields=["name"])


def test_pages_go_there_and_back(world: World, sales: Caller) -> None:
    change(world, 5)
    every = history(sales, world.own_draft)
    assert [entry["id"] for entry in every] == sorted((entry["id"] for entry in every), reverse=True)
    assert len(every) == 6
    pages, url = [], f"{address(world.own_draft)}history/?page_size=2"
    while url:
        answer = sales.get(url).json()
        assert set(answer) == {"next", "previous", "results"}
        pages.append(answer)
        url = answer["next"]
    assert [entry for page in pages for entry in page["results"]] == every
    assert pages[0]["previous"] is None
    assert sales.get(pages[2]["previous"]).json()["results"] == pages[1]["results"]


def test_the_number_of_statements_does_not_grow_with_the_entries(world: World, sales: Caller) -> None:
    counts = []
    path = f"{address(world.own_draft)}history/"
    sales.get(path)
    for times in (1, 20):
        change(world, times)
        with CaptureQueriesContext(connection) as queries:
            assert len(sales.get(path).json()["results"]) > times
        counts.append(sum(" FROM " in query["sql"] for query in queries))
    # Who is calling, the row, its entries, the names of accounts and those of clients.
    assert counts == [5, 5]


def test_filters_filter(world: World, sales: Caller, management: Caller) -> None:
    management.patch(address(world.own_draft), {"name": "By management"})
    sales.patch(address(world.own_draft), {"name": "By sales"})
    newest, older, made = history(sales, world.own_draft)
    moment, later = older["at"].replace("+", "%2B"), newest["at"].replace("+", "%2B")
    for query, expected in (
        (f"actor={world.users['sales'].pk}", [newest]), (f"actor={world.users['support'].pk}", []), (f"after={later}", [newest]),
        (f"before={moment}", [older, made]), (f"after={moment}&before={moment}", [older]), (f"request_id={older['request_id']}", [older]),
        ("request_id=unheard-of", []), (f"after={moment}&actor={world.users['sales'].pk}", [newest]),
    ):  # fmt: skip
        assert history(sales, world.own_draft, f"?{query}") == expected, query


HOSTILE = [
    "bogus=1", "ordering=-at", "count=true", "search=x", "mine=true", "page_size=0", "page_size=201", "page_size=x", "page_size=١", "cursor=x",
    "cursor=W2ZhbHNlLCJ4Il0", "cursor=W2ZhbHNlXQ", "cursor=W2ZhbHNlLDFlNDAwXQ", "actor=x", "actor=-1", "actor=1e3", "actor=%00",
    "actor=99999999999999999999", "request_id=" + "x" * 65, "request_id=%00", "after=yesterday", "after=10000-01-01", "before=%00", "after=NaN",
]  # fmt: skip


@pytest.mark.parametrize("query", HOSTILE)
def test_a_query_that_makes_no_sense_is_a_400(query: str, world: World, sales: Caller) -> None:
    response = sales.get(f"{address(world.own_client)}history/?{query}")
    assert response.status_code == 400, response.content
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["errors"][0]["pointer"] == "?" + query.partition("=")[0]


@pytest.mark.parametrize(
    "query",
    [
        "after=0001-01-01T00:00:00%2B14:00",
        "before=9999-12-31T23:59:59-14:00",
        "request_id=%F0%9F%8E%89",
        "cursor=",
        "actor=",
    ],
)
def test_what_makes_little_sense_finds_what_it_finds(query: str, world: World, sales: Caller) -> None:
    assert sales.get(f"{address(world.own_client)}history/?{query}").status_code in (200, 400)


def test_an_invisible_row_is_missing_before_its_query_is_wrong(world: World, partner: Caller) -> None:
    assert partner.get(f"{address(world.other_client)}history/?bogus=1").status_code == 404


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nobody_writes_a_history(method: str, world: World, superuser: Caller) -> None:
    response = getattr(superuser, method)(f"{address(world.own_client)}history/", {})
    assert response.status_code == 405
    assert "GET" in response["Allow"]


def rows_seen(role: str, user_id: int | None, where: str) -> int:
    with acting_as(role, user_id=user_id), connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM audit.entry WHERE {where}")
        return int(cursor.fetchone()[0])


def test_the_database_shows_no_more_than_what_happened_to_visible_rows(world: World) -> None:
    sales = world.users["sales"].pk
    assert rows_seen(Role.SALES, sales, "table_name IN ('clients_client', 'events_event')") == 4
    assert (
        rows_seen(Role.SALES, sales, "table_name NOT IN ('clients_client', 'contracts_contract', 'events_event')") == 0
    )
    partner = world.users["partner"].pk
    assert rows_seen(Role.EXTERNAL, partner, "table_name IN ('clients_client', 'events_event')") == 2
    assert (
        rows_seen(Role.EXTERNAL, partner, f"row_key = '{world.other_client.pk}' AND table_name = 'clients_client'") == 0
    )
    with acting_as(Role.SUPERUSER):
        world.own_event.delete()
    assert rows_seen(Role.SALES, sales, "table_name = 'events_event'") == 1


@pytest.mark.parametrize("statement", ["SELECT 1 FROM audit.seal", "INSERT INTO audit.entry (reason) VALUES ('x')", "DELETE FROM audit.entry"])  # fmt: skip
@pytest.mark.parametrize("role", [Role.EXTERNAL, Role.SALES, Role.SUPPORT])
def test_the_database_refuses_the_trail_itself(statement: str, role: str, world: World) -> None:
    with refused_with(PRIVILEGE), transaction.atomic(), acting_as(role):
        with connection.cursor() as cursor:
            cursor.execute(statement)


def test_a_time_that_was_written_elsewhere_is_told_in_utc(world: World, management: Caller) -> None:
    with acting_as(Role.SUPERUSER), connection.cursor() as cursor:
        cursor.execute("SET LOCAL timezone = 'Asia/Tokyo'")
        event = make_event(
            world.own_signed, "Far away", None, starts_at=datetime(2027, 6, 1, 18, 0, tzinfo=UTC),
            ends_at=datetime(2027, 6, 1, 18, 0, tzinfo=UTC) + timedelta(hours=3),
        )  # fmt: skip
        cursor.execute("SET LOCAL timezone = 'UTC'")
    assert told(history(management, event)[-1])["starts_at"] == (None, "2027-06-01T18:00:00.000000Z")
