"""Every row of the oracle, `access-matrix.csv`, over HTTP: on the nested path and, where there is one, on the flat path."""

import csv
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from access.database import acting_as
from access.policy import Role
from access.tests.paths import address, below, body_of
from config.environment import ROOT
from conftest import API, World, make_client, make_contract

COPY = Path(__file__).with_name("access-matrix.csv")
ORIGINAL = ROOT.parent / "shared" / "design" / "access-matrix.csv"


class Row(NamedTuple):
    resource: str
    action: str
    actor: str
    relation: str
    state: str
    status: int
    rule: str

    @property
    def id(self) -> str:
        return "-".join(filter(None, [self.resource, self.action, self.actor, self.relation, self.state]))

    @property
    def name(self) -> str:
        """Who of the cast plays the actor."""
        return {"external": "unlinked" if self.relation == "unlinked" else "partner"}.get(self.actor, self.actor)

    @property
    def side(self) -> str:
        return "other" if self.relation in ("other", "unlinked") else "own"


ROWS = [Row(**{**row, "status": int(row["status"])}) for row in csv.DictReader(COPY.read_text().splitlines())]


def test_the_copy_of_the_oracle_is_the_oracle() -> None:
    if ORIGINAL.is_file():
        assert COPY.read_text() == ORIGINAL.read_text()
    assert len(ROWS) == 128


def target(row: Row, world: World) -> Any:
    """The row of the world that the case is about, brought into its state."""
    with acting_as(Role.SUPERUSER):
        if row[:2] == ("client", "delete") and row.state != "has_contracts" and row.actor != "external":
            return make_client("Lonely", world.users["sales" if row.side == "own" else "other_sales"])
        if row.resource == "client":
            return getattr(world, f"{row.side}_client")
        if row.resource == "contract":
            if row.action == "delete" and row.state == "signed":
                return make_contract(getattr(world, f"{row.side}_client"), "Signed, no events", signed=True)
            is_signed = row.state in ("signed", "has_events")
            return getattr(world, f"{row.side}_{'signed' if is_signed else 'draft'}")
        event = getattr(world, f"{row.side}_event")
        if row.state == "closed":
            event.status = "closed"
            event.save(update_fields=["status"])
        return event


def send_create(row: Row, world: World, person: Any) -> Any:
    match row.resource:
        case "client":
            named = {("sales", "own"): "", ("sales", "other"): "other_sales"}.get((row.actor, row.relation), "sales")
            return person.post(API + "clients/", body_of("client", world, contact=named))
        case "contract":
            parent = getattr(world, f"{row.side}_client")
            if row.state == "client_is_prospect":
                with acting_as(Role.SUPERUSER):
                    parent = make_client("Prospect", parent.sales_contact, status="prospect")
            return person.post(below(parent), body_of("contract", world))
        case _:
            parent = getattr(world, f"{row.side}_{'draft' if row.state == 'contract_draft' else 'signed'}")
            return person.post(below(parent), body_of("event", world))


def change(row: Row, world: World) -> dict[str, Any]:
    match row.resource, row.action:
        case "client", "assign":
            return {"sales_contact_id": world.users["sales" if row.side == "other" else "other_sales"].pk}
        case "client", "demote":
            return {"status": "prospect"}
        case "client", "update":
            return {"last_name": "Changed"}
        case "contract", "sign":
            return {"status": "signed"}
        case "contract", "amend":
            return {"amount": "1.00"}
        case "contract", "reopen":
            return {"status": "draft"}
        case "event", "assign":
            return {"support_contact_id": world.users["support" if row.side == "other" else "other_support"].pk}
        case _:
            return {"name": "Changed"}


def send(row: Row, world: World, person: Any, *, nested: bool) -> Any:
    if row.action == "create":
        return send_create(row, world, person)
    if row.action == "list":
        parents = {"client": None, "contract": world.own_client, "event": world.own_signed}
        parent = parents[row.resource] if nested else None
        return person.get(below(parent) if parent else f"{API}{row.resource}s/")
    path = address(target(row, world), nested=nested)
    match row.action:
        case "retrieve":
            return person.get(path)
        case "delete":
            return person.delete(path)
        case _:
            # Whoever reopens says why; whom the oracle refuses it says so too, and is refused all the same.
            why = {"HTTP_X_CHANGE_REASON": "Signed too early"} if row.action == "reopen" else {}
            return person.patch(path, change(row, world), **why)


def paths_of(row: Row) -> list[bool]:
    return [True] if row.resource == "client" or row.action == "create" else [True, False]


@pytest.mark.parametrize(
    ("row", "nested"),
    [
        pytest.param(row, nested, id=f"{row.id}-{'nested' if nested else 'flat'}")
        for row in ROWS
        for nested in paths_of(row)
    ],
)
def test_the_server_answers_as_the_oracle_says(row: Row, nested: bool, world: World, caller: Any) -> None:
    response = send(row, world, caller(row.name), nested=nested)
    assert response.status_code == row.status, response.content
    problem = response.json() if response.status_code >= 400 else {}
    match row.status:
        case 401:
            assert response["WWW-Authenticate"].startswith("Bearer")
        case 403:
            assert problem["rule"].startswith(f"{row.resource}.")
            assert problem["rule"] != "database", "the code let it through and only PostgreSQL refused"
        case 409:
            assert problem["rule"] and problem["detail"].endswith(".")
        case 404:
            assert problem["code"] == "not_found"
    if row.action == "list" and row.relation == "unlinked":
        assert response.json()["results"] == []
