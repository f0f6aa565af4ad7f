"""An offline copy, as a phone keeps it, and what the server itself shows."""

import time
from collections.abc import Callable
from typing import Any

from access.database import acting_as
from access.policy import Role
from conftest import API, PATIENCE, Caller

COLLECTIONS = {"client": "clients", "contract": "contracts", "event": "events"}
Rows = dict[tuple[str, int], dict[str, Any]]


class Replica:
    """`told` are the changes since the last `catch_up`, in the order in which they came."""

    def __init__(self, caller: Caller, **parameters: Any) -> None:
        self.caller, self.parameters = caller, parameters
        self.rows: Rows = {}
        self.told: list[tuple[str, int, str]] = []
        self.cursor = ""

    def ask(self) -> dict[str, Any]:
        given = {"cursor": self.cursor} if self.cursor else {}
        response = self.caller.get(f"{API}sync/", self.parameters | given)
        assert response.status_code == 200, response.content
        return response.json()

    def step(self) -> bool:
        """One answer; whether to ask again at once."""
        answer = self.ask()
        assert len(answer["changes"]) <= int(self.parameters.get("page_size", 200))
        for change in answer["changes"]:
            place = (change["type"], change["id"])
            self.told.append((*place, change["op"]))
            if change["op"] == "upsert":
                assert (change["data"]["id"], change["data"]["version"]) == (change["id"], change["version"])
                self.rows[place] = change["data"]
            else:
                assert change["version"] is change["etag"] is change["data"] is None
                self.rows.pop(place, None)
        self.cursor = answer["next"]
        return answer["has_more"]

    def catch_up(self) -> list[tuple[str, int, str]]:
        self.told = []
        for _ in range(10_000):
            if not self.step():
                return self.told
        raise AssertionError("the copy never comes to an end")


Copies = Callable[..., Replica]  # `copy_of` of the conftest


def view_of(caller: Caller) -> Rows:
    """All that the lists show."""
    rows: Rows = {}
    for noun, collection in COLLECTIONS.items():
        address = f"{API}{collection}/?page_size=200"
        while address:
            page = caller.get(address).json()
            rows |= {(noun, row["id"]): row for row in page["results"]}
            address = page["next"]
    return rows


def wait_until_closed(cursor: Any) -> None:
    """Until all that was written so far may be told. Transactions of other databases delay it, as they may."""
    deadline = time.monotonic() + PATIENCE
    newest = "SELECT transaction_id FROM audit.entry ORDER BY transaction_id DESC LIMIT 1"
    while time.monotonic() < deadline:
        cursor.execute(f"SELECT pg_snapshot_xmin(pg_current_snapshot()) > ({newest})")
        if cursor.fetchone() == (True,):
            return
        time.sleep(0.01)
    raise AssertionError("some transaction never ended")


def change(row: Any, **values: Any) -> None:
    with acting_as(Role.SUPERUSER):
        for name, value in values.items():
            setattr(row, name, value)
        row.save(update_fields=list(values))


def delete(*rows: Any) -> None:
    with acting_as(Role.SUPERUSER):
        for row in rows:
            type(row).objects.filter(pk=row.pk).delete()
