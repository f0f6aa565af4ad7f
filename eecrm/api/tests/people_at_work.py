"""People of each role at work with their apps, and what they know of it afterwards: which writes the trail must tell of."""

import json
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from itertools import count
from typing import Any, NamedTuple

from access.policy import Role
from access.tests.paths import address, body_of
from conftest import API, PASSWORD, PATIENCE, World

# Each worker keeps its answer for a while: an outage that is over may still be told.
READY = "/health/ready/"


class Write(NamedTuple):
    """As the trail tells it."""

    caller_request_id: str
    actor_name: str
    role: str
    reason: str


@dataclass
class Person:
    """Asserts each answer, and repeats what was answered with 503; such a write may be on the trail, or may not."""

    port: int
    name: str
    role: Role | None = None  # while logged in
    token: str = ""
    written: set[Write] = field(default_factory=set)
    doubtful: set[Write] = field(default_factory=set)
    outages: list[bytes] = field(default_factory=list)  # the answers with 503, except those of readiness
    answered: int = 0
    _numbers: "count[int]" = field(default_factory=count)

    def get(self, path: str, *, expected: int = 200) -> Any:
        return self._insist(expected, "GET", path)

    def write(
        self, method: str, path: str, body: Any = None, *, expected: int = 200, reason: str = "", key: str = ""
    ) -> Any:
        return self._insist(expected, method, path, body, reason, key)

    def log_in(self) -> None:
        self.role, self.token = None, ""
        pair = self.write("POST", f"{API}users/login/", {"username": self.name, "password": PASSWORD})
        self.token = self._insist(200, "POST", f"{API}users/refresh/", {"refresh": pair["refresh"]}, is_told=False)[
            "access"
        ]
        me = self.get(f"{API}users/me/")
        assert me["username"] == self.name
        self.role = Role(me["role"])

    def _insist(
        self,
        expected: int,
        method: str,
        path: str,
        body: Any = None,
        reason: str = "",
        key: str = "",
        *,
        is_told: bool = True,
    ) -> Any:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            write = Write(f"{self.name}-{next(self._numbers)}", self.name, f"eecrm_{self.role or 'app'}", reason)
            answer, content = self._send(write, method, path, body, key)
            if answer.status == 503:
                if path != READY:
                    self.doubtful.add(write)
                    self.outages.append(content)
                continue
            assert (answer.status, answer.headers["X-Request-ID"]) == (expected, write.caller_request_id), content
            self.answered += 1
            if is_told and method != "GET" and expected < 300 and not answer.headers["Idempotency-Replayed"]:
                self.written.add(write)
            return json.loads(content)
        raise AssertionError(f"{PATIENCE} s of tries were not enough")

    def _send(self, write: Write, method: str, path: str, body: Any, key: str) -> tuple[HTTPResponse, bytes]:
        headers = {
            "Content-Type": "application/json", "X-Request-ID": write.caller_request_id, "X-Change-Reason": write.reason,
            "Idempotency-Key": key, "Authorization": f"Bearer {self.token}" if self.token else "",
        }  # fmt: skip
        line = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            text = None if body is None else json.dumps(body)
            line.request(method, path, text, {name: value for name, value in headers.items() if value})
            answer = line.getresponse()
            return answer, answer.read()
        finally:
            line.close()


def sells(sales: Person, world: World, turn: int) -> None:
    company = body_of("client", world, contact="") | {"email": f"nora@{sales.name.replace('_', '-')}{turn}.example"}
    made, again = (
        sales.write("POST", f"{API}clients/", company, expected=201, reason=reason, key=f"{turn}-client")
        for reason in (f"Met {turn}", f"Not sure {turn}")
    )
    assert made == again
    client = f"{API}clients/{made['id']}/"
    sales.write("PATCH", client, {"status": "client"})
    contract = sales.write(
        "POST", f"{client}contracts/", body_of("contract", world), expected=201, key=f"{turn}-contract"
    )
    signed = f"{API}contracts/{contract['id']}/"
    sales.write("PATCH", signed, {"status": "signed"}, reason=f"By post {turn}")
    # PostgreSQL itself refuses the first, and Python the second: what they were told is rolled back.
    sales.write("PATCH", signed, {"amount": "1.00"}, expected=409, reason=f"Cheaper {turn}")
    strangers = world.other_draft if sales.name == "sales" else world.own_draft
    sales.write("PATCH", address(strangers), {"name": "Mine"}, expected=403, reason=f"Greed {turn}")


def supports(support: Person, world: World, turn: int) -> None:
    support.write("PATCH", address(world.own_event), {"notes": f"Turn {turn}"}, reason=f"Called {turn}")
    support.write("DELETE", address(world.own_client), expected=403, reason=f"Spite {turn}")
    support.get(f"{API}events/")


def manages(manager: Person, world: World, turn: int) -> None:
    manager.write("PATCH", address(world.other_client), {"first_name": f"Ann {turn}"})
    manager.get(f"{address(world.other_client)}history/")
    manager.write("PATCH", address(world.other_client), {"status": "prospect"}, expected=409, reason=f"Never {turn}")


def audits(auditor: Person, world: World, turn: int) -> None:
    assert all("*" in row["email"] for row in auditor.get(f"{API}clients/")["results"])
    auditor.write("POST", f"{API}clients/", body_of("client", world, contact=""), expected=403)


def follows(partner: Person, world: World, turn: int) -> None:
    assert [row["id"] for row in partner.get(f"{API}clients/")["results"]] == [world.own_client.pk]
    partner.get(address(world.other_client), expected=404)
    partner.get(f"{API}sync/")


def strolls(nobody: Person, world: World, turn: int) -> None:
    nobody.get(f"{API}clients/", expected=401)
    nobody.get(READY)


WORK = {
    "sales": sells, "other_sales": sells, "support": supports, "management": manages, "auditor": audits,
    "partner": follows, "anonymous": strolls,
}  # fmt: skip


def work(person: Person, world: World, *, turns: int) -> None:
    for turn in range(turns):
        if person.name in world.users:
            person.log_in()
        WORK[person.name](person, world, turn)
