"""Runs the eight steps of the workflow, with four accounts on four phones. Some changes happen at the same time."""

from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any, NamedTuple

from phone import API, Copy, Phone

# Expected number of history entries of a row at the end: one for the row's creation, and one for each change.
ENTRIES = {"clients": 4, "contracts": 2, "events": 6}


class Crew(NamedTuple):
    """The phones that one thread uses.

    `colleague` changes clients at the same time as `sales`. `management` changes events at the same time as `support`.
    """

    sales: Phone
    colleague: Phone
    support: Phone
    management: Phone
    copies: list[Copy]

    @classmethod
    def of(cls, address: str, chance: Random) -> "Crew":
        names = ("oc-salesman", "oc-salesman2", "oc-supporttech", "oc-manager")
        sales, colleague, support, management = phones = [Phone(address, name, chance) for name in names]
        return cls(sales, colleague, support, management, [Copy(phone) for phone in phones])


def append(field: str, mark: str) -> Any:
    """Returns a function that appends a mark to a field. If another change overwrites this one, the mark is missing."""
    return lambda now: {} if mark in now[field] else {field: f"{now[field]}{mark}"}


def at_once(*changes: tuple[Phone, str, Any]) -> None:
    with ThreadPoolExecutor(len(changes)) as pool:
        for future in [pool.submit(phone.change, url, change) for phone, url, change in changes]:
            future.result()


def play(crew: Crew, run: str, number: int) -> None:
    """Runs one workflow. The names of the rows contain `run` and `number`, for example "run1 00007"."""
    name = f"{run} {number:05}"
    client = crew.sales.create(
        f"{API}clients/",
        {"company_name": name, "first_name": "Ines", "last_name": "Roth", "email": f"{run}-{number}@phones.example"},
    )
    crew.sales.change(client["url"], lambda now: {} if now["status"] == "client" else {"status": "client"})
    at_once(
        (crew.sales, client["url"], append("last_name", " (s)")),
        (crew.colleague, client["url"], append("last_name", " (c)")),
    )
    contract = crew.sales.create(
        f"{API}clients/{client['id']}/contracts/", {"name": name, "amount": "1200.00", "payment_due": "2027-05-01"}
    )
    crew.sales.change(contract["url"], lambda now: {} if now["status"] == "signed" else {"status": "signed"})
    event = crew.sales.create(
        f"{API}clients/{client['id']}/contracts/{contract['id']}/events/",
        {"name": name, "starts_at": "2027-06-01T18:00:00Z", "attendees": 80},
    )
    support_id = crew.support.get(f"{API}users/me/")["id"]
    crew.management.change(
        event["url"], lambda now: {} if now["support_contact"] else {"support_contact_id": support_id}
    )
    crew.support.change(event["url"], lambda now: {} if now["status"] == "in_progress" else {"status": "in_progress"})
    at_once(
        (crew.support, event["url"], append("notes", "[support]")),
        (crew.management, event["url"], append("notes", "[management]")),
    )
    crew.support.change(event["url"], lambda now: {} if now["status"] == "closed" else {"status": "closed"})
    for phone in crew[:4]:
        if phone.chance.random() < 0.05:
            phone.refresh()
    for copy in crew.copies:
        if copy.phone.chance.random() < 0.2:
            copy.catch_up()
