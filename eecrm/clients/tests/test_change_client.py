import pytest

from access.database import acting_as
from access.policy import Role
from conftest import API, Caller, World, make_client


@pytest.fixture
def address(world: World) -> str:
    return f"{API}clients/{world.own_client.pk}/"


def test_a_prospect_becomes_a_client_and_never_turns_back(world: World, sales: Caller) -> None:
    with acting_as(Role.SUPERUSER):
        prospect = make_client("Prospect", world.users["sales"], status="prospect")
    path = f"{API}clients/{prospect.pk}/"
    assert sales.patch(path, {"status": "client"}).json()["status"] == "client"
    response = sales.patch(path, {"status": "prospect"})
    assert (response.status_code, response.json()["rule"]) == (409, "client_never_turns_back")
    assert sales.get(path).json()["status"] == "client"


def test_the_sales_team_shares_client_details(address: str, other_sales: Caller) -> None:
    row = other_sales.patch(address, {"mobile": "+33687654321"}).json()
    assert (row["mobile"], row["version"]) == ("+33687654321", 2)


def test_only_management_moves_a_client_and_its_contracts_go_along(
    world: World, address: str, sales: Caller, other_sales: Caller, management: Caller
) -> None:
    move = {"sales_contact_id": world.users["other_sales"].pk}
    for person in (sales, other_sales):
        response = person.patch(address, move)
        assert (response.status_code, response.json()["rule"]) == (403, "client.assign.sales.none")
    assert management.patch(address, move).json()["sales_contact"]["id"] == world.users["other_sales"].pk
    assert sales.patch(f"{API}contracts/{world.own_draft.pk}/", {"name": "Mine?"}).status_code == 403
    assert other_sales.patch(f"{API}contracts/{world.own_draft.pk}/", {"name": "Mine."}).status_code == 200


def test_naming_the_contact_that_a_client_has_is_no_assignment(world: World, address: str, other_sales: Caller) -> None:
    assert other_sales.patch(address, {"sales_contact_id": world.users["sales"].pk}).status_code == 200


def test_put_wants_every_required_field(address: str, sales: Caller) -> None:
    response = sales.put(address, {"company_name": "Only"})
    assert {error["pointer"] for error in response.json()["errors"]} == {"#/first_name", "#/last_name", "#/email"}
    whole = {"company_name": "All", "first_name": "A", "last_name": "B", "email": "a@all.example"}
    assert sales.put(address, whole).json()["company_name"] == "All"


def test_a_change_raises_the_version_and_no_change_does_not(address: str, sales: Caller) -> None:
    before = sales.get(address).json()
    assert sales.patch(address, {"last_name": before["last_name"]}).json() == before
    after = sales.patch(address, {"last_name": "Else"}).json()
    assert after["version"] == before["version"] + 1
    assert after["updated_at"] > before["updated_at"]
    assert after["created_at"] == before["created_at"]


def test_a_refused_change_changes_nothing(world: World, address: str, sales: Caller) -> None:
    before = sales.get(address).json()
    assert sales.patch(address, {"last_name": "Else", "email": "not an address"}).status_code == 400
    assert sales.patch(address, {"last_name": "Else", "email": "ann.other.company@other.example"}).status_code == 409
    assert (
        sales.patch(address, {"last_name": "Else", "sales_contact_id": world.users["other_sales"].pk}).status_code
        == 403
    )
    assert sales.get(address).json() == before


def test_a_client_with_contracts_cannot_be_deleted(
    world: World, address: str, sales: Caller, management: Caller
) -> None:
    for person in (sales, management):
        response = person.delete(address)
        assert (response.status_code, response.json()["rule"]) == (409, "client_has_contracts")
    with acting_as(Role.SUPERUSER):
        lonely = make_client("Lonely", world.users["sales"])
    assert sales.delete(f"{API}clients/{lonely.pk}/").status_code == 204
    assert sales.get(f"{API}clients/{lonely.pk}/").status_code == 404


@pytest.mark.parametrize(
    ("stored", "shown"),
    [("ann@own.example", "a***@***.example"), ("x@b.co.uk", "x***@***.uk")],
)
def test_an_auditor_sees_personal_data_masked(
    stored: str, shown: str, world: World, address: str, auditor: Caller, sales: Caller
) -> None:
    sales.patch(address, {"email": stored, "mobile": ""})
    for row in (auditor.get(address).json(), auditor.get(API + "clients/?ordering=id").json()["results"][0]):
        assert (row["email"], row["phone"], row["mobile"]) == (shown, "***34", "")
    assert sales.get(address).json()["email"] == stored


@pytest.mark.parametrize("query", ["email=zyx@qwerty.example", "search=zyx@qwerty", "search=qwerty.example"])
def test_an_auditor_cannot_guess_masked_data_by_searching(
    query: str, world: World, address: str, auditor: Caller, sales: Caller
) -> None:
    sales.patch(address, {"email": "zyx@qwerty.example"})
    assert len(sales.get(f"{API}clients/?{query}").json()["results"]) == 1
    response = auditor.get(f"{API}clients/?{query}")
    assert response.status_code == 400 or response.json()["results"] == []
    for collection in ("contracts", "events"):
        assert len(sales.get(f"{API}{collection}/?search=qwerty").json()["results"]) >= 1
        assert auditor.get(f"{API}{collection}/?client_email=zyx@qwerty.example").status_code == 400
        assert auditor.get(f"{API}{collection}/?search=qwerty").json()["results"] == []
