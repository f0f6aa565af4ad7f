"""Statements that are compiled once: each caller gets their own rows out of one, and whoever looks otherwise gets another."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from access.compiled_queries import InstanceStatement, Slot, Statement
from access.database import acting_as
from access.policy import Role
from access.tests.paths import address, below
from accounts.models import Cover
from api.resources.reading import item_statement, page_statement
from clients.models import Client
from conftest import API, Caller, World, make_client, make_contract


@pytest.fixture(autouse=True)
def nothing_compiled_yet() -> None:
    page_statement.cache_clear()
    item_statement.cache_clear()


def listed(caller: Caller, path: str) -> list[int]:
    answer = caller.get(path)
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


@pytest.fixture
def other_partner(world: World) -> Caller:
    """Linked to the other client."""
    with acting_as(Role.SUPERUSER):
        world.other_client.account = world.users["unlinked"]
        world.other_client.save(update_fields=["account"])
    return Caller.as_user(world.users["unlinked"])


def test_partners_share_a_statement_and_no_row(world: World, partner: Caller, other_partner: Caller) -> None:
    assert listed(partner, f"{API}clients/") == [world.own_client.pk]
    assert listed(other_partner, f"{API}clients/") == [world.other_client.pk]
    assert listed(partner, f"{API}clients/") == [world.own_client.pk]
    assert (page_statement.cache_info().misses, page_statement.cache_info().hits) == (1, 2)
    assert partner.get(address(world.own_event)).status_code == 200
    assert other_partner.get(address(world.own_event)).status_code == 404
    assert other_partner.get(address(world.other_event)).status_code == 200
    assert (item_statement.cache_info().misses, item_statement.cache_info().hits) == (1, 2)


def test_each_parent_has_its_own_rows(world: World, sales: Caller) -> None:
    assert listed(sales, below(world.own_client)) == [world.own_draft.pk, world.own_signed.pk]
    assert listed(sales, below(world.other_client)) == [world.other_draft.pk, world.other_signed.pk]
    assert page_statement.cache_info().hits == 1
    of_another = address(world.own_draft).replace(f"/{world.own_client.pk}/", f"/{world.other_client.pk}/", 1)
    assert sales.get(address(world.own_draft)).status_code == 200
    assert sales.get(of_another).status_code == 404


def test_roles_masks_orders_and_sizes_have_statements_of_their_own(
    world: World, sales: Caller, support: Caller, auditor: Caller
) -> None:
    clients = f"{API}clients/"
    for caller, path in (
        (sales, clients),
        (support, clients),
        (auditor, clients),
        (sales, f"{clients}?ordering=id"),
        (sales, f"{clients}?page_size=1"),
        (sales, sales.get(f"{clients}?page_size=1").json()["next"]),
    ):
        listed(caller, path)
    assert page_statement.cache_info().misses == 6
    email = {
        name: caller.get(clients).json()["results"][-1]["email"]
        for name, caller in (("sales", sales), ("auditor", auditor))
    }
    assert email == {"sales": "ann.own.company@own.example", "auditor": "a***@***.example"}


def test_an_address_is_that_by_which_the_api_was_called(world: World, sales: Caller) -> None:
    at_home = sales.get(f"{API}clients/").json()["results"][0]["url"]
    elsewhere = sales.get(f"{API}clients/", HTTP_HOST="localhost:8000").json()["results"][0]["url"]
    assert at_home == f"http://testserver{API}clients/{world.other_client.pk}/"
    assert elsewhere == f"http://localhost:8000{API}clients/{world.other_client.pk}/"


@pytest.mark.parametrize("ordering", ["id", "-created_at", "company_name,-id", "-last_name,created_at"])
def test_a_page_begins_where_its_own_cursor_says(ordering: str, world: World, sales: Caller) -> None:
    with acting_as(Role.SUPERUSER):
        for number in range(4):
            make_client(f"Company {number % 2}", world.users["sales"], email=f"{number}@many.example")
    whole = listed(sales, f"{API}clients/?ordering={ordering}")
    walked, path = [], f"{API}clients/?page_size=1&ordering={ordering}"
    while path:
        page = sales.get(path).json()
        walked += [row["id"] for row in page["results"]]
        path = page["next"]
    assert walked == whole
    assert page_statement.cache_info().misses == 3  # the whole, the first page, and all that follow


def test_cover_lends_and_takes_back_what_is_asked_in_a_kept_statement(world: World, sales: Caller) -> None:
    """A new contract is saved below a client of one's own: who covers for its contact owns that one too."""
    body = {"name": "Summer party", "amount": "100.00", "payment_due": "2027-05-01"}
    path = below(world.other_client)
    assert sales.post(path, body).status_code == 403
    with acting_as(Role.SUPERUSER):
        Cover.objects.create(
            colleague=world.users["other_sales"], substitute=world.users["sales"],
            ends_at=timezone.now() + timedelta(days=1), reason="Leave",
        )  # fmt: skip
    assert sales.post(path, body).status_code == 201
    with acting_as(Role.SUPERUSER):
        Cover.objects.end()
    assert sales.post(path, body).status_code == 403


def test_a_statement_that_can_find_nothing_asks_nobody(db: None, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert Statement.of(Client.objects.none().filter(pk=Slot("pk")).values_list("pk")).rows({"pk": 1}) == []


def test_what_a_write_answers_is_what_a_read_would(world: World, sales: Caller, auditor: Caller) -> None:
    with acting_as(Role.SUPERUSER):
        draft = make_contract(world.own_client, "Draft")
    changed = sales.patch(address(draft), {"name": "Better draft"})
    assert changed.json() == sales.get(address(draft)).json()
    assert changed["ETag"] == sales.get(address(draft))["ETag"]


def test_an_instance_of_a_query_that_finds_nothing_is_none(db: None) -> None:
    assert InstanceStatement.of(Client.objects.none()).first({}) is None
