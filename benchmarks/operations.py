"""The requests that the benchmarks measure. Each compared implementation gets the same requests."""

import itertools
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import stage

API = "/api/v1/"


class Operation(NamedTuple):
    """A kind of request to measure, such as "list".

    In body and headers, `{n}` and `{address}` are replaced by another value in each request.
    `requests` is the number of requests that each implementation gets in each round.
    """

    name: str
    path: str
    requests: int
    method: str = "GET"
    body: Mapping[str, str] | None = None
    headers: Mapping[str, str] = {}
    expected: int = 200
    needs_token: bool = True

    def job(self, port: int, token: str) -> dict[str, Any]:
        """Returns the request as a job for the load generator (loading/load.js)."""
        headers = {"Accept": "application/json", **self.headers}
        if self.needs_token:
            headers["Authorization"] = f"Bearer {token}"
        if self.body:
            headers["Content-Type"] = "application/json"
        body = json.dumps(self.body) if self.body else None
        return {"url": f"http://127.0.0.1:{port}{self.path}", "method": self.method, "headers": headers, "body": body}


_LIST = f"{API}clients/?page_size=50"
_NEWCOMER = {
    "company_name": "Newcomer {n}", "first_name": "Ann", "last_name": "Doe",
    "email": "ann@newcomer{n}.example", "phone": "+33199001234",
}  # fmt: skip
_LOGIN = Operation(
    "login",
    f"{API}users/login/",
    40,
    "POST",
    {"username": "sales1", "password": stage.PASSWORD},
    {"X-Forwarded-For": "{address}"},  # different IP addresses, because one address would reach its rate limit
    needs_token=False,
)
OPERATIONS = {
    operation.name: operation
    for operation in (
        Operation("list", _LIST, 250),
        Operation("detail", f"{API}clients/10000/", 250),
        Operation("create", f"{API}clients/", 200, "POST", _NEWCOMER, {"Idempotency-Key": "{n}"}, expected=201),
        Operation("filtered", f"{_LIST}&sales_contact=7", 200),
        Operation("search", f"{_LIST}&search=company1234", 100),
        Operation("sync", f"{API}sync/", 100),
        _LOGIN,
    )
}

_turn = itertools.cycle(range(1, stage.SALES_CONTACTS + 1))


def next_login() -> Operation:
    """Returns a login with the next account, so that no account reaches its rate limit."""
    return _LOGIN._replace(body={"username": f"sales{next(_turn)}", "password": stage.PASSWORD}, headers={})
