"""Tests `sync/` after PostgreSQL's data was restored from an older copy.

A cursor that was given out after the copy must be answered with 410.
The ETag of a lost row must not match a new row with the same id.
"""

import json
import subprocess
import sys
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import uuid4

from own_server import LOCAL, running

HOME = LOCAL / "restored-disk"
DATA, COPY = HOME / "postgres" / "data", HOME / "postgres" / "copy"
PASSWORD = "Epic-Events-2026!"  # password of all demo accounts


class Phone:
    def __init__(self, address: str) -> None:
        self.api, self.token = f"{address}/api/v1", ""
        self.token = self.ask("POST", "/users/login/", {"username": "oc-salesman", "password": PASSWORD})[1]["access"]

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, str]:
        """Sends a request. Returns the answer's status, body and ETag.

        The names in `headers` have underscores instead of hyphens.
        """
        headers |= {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {self.token}"} if self.token else {}
        )
        request = Request(
            self.api + path, None if body is None else json.dumps(body).encode(),
            {name.replace("_", "-"): value for name, value in headers.items()}, method=method,
        )  # fmt: skip
        try:
            with urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer), answer.headers["ETag"] or ""
        except HTTPError as error:
            with error:
                return error.code, json.loads(error.read() or "null"), error.headers["ETag"] or ""

    def make_clients(self, number: int, name: str) -> list[tuple[int, str]]:
        """Creates `number` clients (customers of the CRM). Returns the id and the ETag of each client."""
        made = []
        for _ in range(number):
            company = {
                "company_name": name,
                "first_name": "Inès",
                "last_name": "Garnier",
                "email": f"{uuid4()}@a.example",
            }
            status, row, tag = self.ask("POST", "/clients/", company)
            assert status == 201, row
            made.append((row["id"], tag))
        return made

    def copy(self) -> tuple[str, dict[int, str]]:
        """Reads all visible rows from `sync/`. Returns the last cursor, and a mapping of client ids to ETags."""
        cursor, tags, has_more = "", dict[int, str](), True
        while has_more:
            page = self.ask("GET", f"/sync/?cursor={cursor}" if cursor else "/sync/")[1]
            tags |= {change["id"]: change["etag"] for change in page["changes"] if change["type"] == "client"}
            cursor, has_more = page["next"], page["has_more"]
        return cursor, tags


def main() -> int:
    faults: list[str] = []

    def expect(title: str, actual: Any, expected: Any) -> None:
        print(f"{'ok   ' if actual == expected else 'FAULT'} {title}: {actual}")
        if actual != expected:
            faults.append(title)

    with running(HOME, RATE_LIMIT_FACTOR="100") as server:
        before = Phone(server.address).copy()[0]
    subprocess.run(["rm", "-rf", COPY], check=True)
    subprocess.run(["cp", "-a", DATA, COPY], check=True)
    with running(HOME, is_reset=False, RATE_LIMIT_FACTOR="100") as server:
        phone = Phone(server.address)
        lost = phone.make_clients(40, "Lost")
        cursor, tags = phone.copy()
        expect("an upsert has the tag of its object", tags[lost[0][0]], lost[0][1])
        expect("a cursor from before the stop goes on", phone.ask("GET", f"/sync/?cursor={before}")[0], 200)
    subprocess.run(["rm", "-rf", DATA], check=True)
    COPY.rename(DATA)
    with running(HOME, is_reset=False, RATE_LIMIT_FACTOR="100") as server:
        phone = Phone(server.address)
        expect("the lost cursor, right after", phone.ask("GET", f"/sync/?cursor={cursor}")[0], 410)
        expect("a cursor of what is still there", phone.ask("GET", f"/sync/?cursor={before}")[0], 200)
        for number in (30, 60):
            made = dict(phone.make_clients(number, "Another"))
            expect(f"the lost cursor, {number} clients later", phone.ask("GET", f"/sync/?cursor={cursor}")[0], 410)
            for key in made.keys() & tags.keys():
                path, tag = f"/clients/{key}/", tags[key]
                written = phone.ask("PATCH", path, {"company_name": "Overwritten"}, If_Match=tag)
                if (written[0], phone.ask("GET", path, If_None_Match=tag)[0]) != (412, 200):
                    expect(f"client {key} by the tag of a lost one", written[0], 412)
            expect(f"keys given out again, {number} clients later", bool(made.keys() & tags.keys()), True)
        again, shown = phone.copy()
        expect(
            "a new copy holds no lost client", shown.keys() & {key for key, tag in lost if shown.get(key) == tag}, set()
        )
        expect("and goes on", phone.ask("GET", f"/sync/?cursor={again}")[0], 200)
    print(f"{len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
