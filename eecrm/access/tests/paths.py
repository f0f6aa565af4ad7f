"""Addresses of the world's rows, and bodies that are right for them."""

from typing import Any

from conftest import API, World


def address(row: Any, *, nested: bool = True) -> str:
    """The address of a client, contract or event."""
    match row._meta.model_name:
        case "client":
            return f"{API}clients/{row.pk}/"
        case "contract":
            return f"{API}clients/{row.client_id}/contracts/{row.pk}/" if nested else f"{API}contracts/{row.pk}/"
        case _ if nested:
            return f"{API}clients/{row.contract.client_id}/contracts/{row.contract_id}/events/{row.pk}/"
        case _:
            return f"{API}events/{row.pk}/"


def below(parent: Any) -> str:
    """Where the children of a client or a contract are made."""
    return address(parent) + {"client": "contracts/", "contract": "events/"}[parent._meta.model_name]


def body_of(resource: str, world: World, *, contact: str = "sales") -> dict[str, Any]:
    """What a new row needs; a client's contact is named where `contact` isn't empty."""
    match resource:
        case "client":
            named = {"sales_contact_id": world.users[contact].pk} if contact else {}
            person = {"first_name": "Nora", "last_name": "New", "email": "nora@new.example"}
            return {"company_name": "New Company"} | person | named
        case "contract":
            return {"name": "New contract", "amount": "99.90", "payment_due": "2027-03-31"}
        case _:
            return {"name": "New party", "starts_at": "2027-06-01T18:00:00Z", "attendees": 20}
