"""Simulates a phone app that uses the API as docs/api.md recommends.

The app repeats requests that got no answer. Idempotency keys and ETags prevent double and lost changes.
"""

import time
import uuid
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any
from urllib.parse import urlsplit

from line import Answer, Line, Lost

API = "/api/v1/"
MAX_TRIES = 200
PASSWORD = "Epic-Events-2026!"  # password of all demo accounts
RETRY_STATUSES = (429, 503)

Change = Callable[[dict[str, Any]], dict[str, Any]]


class Refused(Exception):
    """The server refused a request and a retry won't help, or there were too many retries."""


class Phone:
    def __init__(self, address: str, username: str, chance: Random) -> None:
        self.line, self.username, self.chance = Line(address, chance), username, chance
        self.met: Counter[str] = Counter()
        self.tokens = self._ask_until_answered(
            "POST", f"{API}users/login/", {"username": username, "password": PASSWORD}
        ).body

    def get(self, path: str) -> Any:
        return self._ask_logged_in("GET", path).body

    def create(self, path: str, body: dict[str, Any]) -> Any:
        """Creates a row. All retries use the same Idempotency-Key, so that the server creates only one row."""
        answer = self._ask_logged_in(
            "POST", path, body, {"Idempotency-Key": str(uuid.UUID(int=self.chance.getrandbits(128)))}
        )
        self.met["replayed"] += "idempotency-replayed" in answer.headers
        return answer.body

    def change(self, url: str, change: Change) -> Any:
        """Changes an object with `If-Match`, and returns the changed object.

        `change` is a function. It gets the current object and returns the fields to change, or {} if all is done.
        The function is called again after a 412 and after a lost answer.
        """
        path = urlsplit(url).path
        for _ in range(MAX_TRIES):
            answer = self._ask_logged_in("GET", path)
            patch = change(answer.body)
            if not patch:
                return answer.body
            try:
                changed = self._ask_once("PATCH", path, patch, {"If-Match": answer.headers["etag"]})
            except Lost:
                continue
            if changed.status == 200:
                return changed.body
            if changed.status not in (*RETRY_STATUSES, 412):
                raise Refused(changed)
            self.met[str(changed.status)] += 1
        raise Refused(f"{MAX_TRIES} tries to change {path}")

    def refresh(self) -> None:
        """Exchanges the refresh token for new tokens. If the answer is lost, the old token still works for 30 s."""
        self.tokens = self._ask_until_answered("POST", f"{API}users/refresh/", {"refresh": self.tokens["refresh"]}).body
        self.met["refreshed"] += 1

    def _ask_logged_in(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        return self._ask_until_answered(method, path, body, headers or {}, is_logged_in=True)

    def _ask_once(
        self, method: str, path: str, body: Any, headers: dict[str, str], *, is_logged_in: bool = True
    ) -> Answer:
        authorization = {"Authorization": f"Bearer {self.tokens['access']}"} if is_logged_in else {}
        return self.line.ask(method, path, headers | authorization, body)

    def _ask_until_answered(
        self, method: str, path: str, body: Any, headers: dict[str, str] | None = None, *, is_logged_in: bool = False
    ) -> Answer:
        for _ in range(MAX_TRIES):
            try:
                answer = self._ask_once(method, path, body, headers or {}, is_logged_in=is_logged_in)
            except Lost:
                self.met["lost"] += 1
                continue
            if answer.status == 401 and is_logged_in:
                self.refresh()
            elif answer.status in RETRY_STATUSES:
                self.met[str(answer.status)] += 1
                time.sleep(min(1, int(answer.headers.get("retry-after", 1))))
            elif answer.status >= 400:
                raise Refused(answer)
            else:
                return answer
        raise Refused(f"{MAX_TRIES} tries of {method} {path}")


class Copy:
    """A phone's offline copy of all rows that the account sees. `catch_up` updates the copy from `sync/`."""

    def __init__(self, phone: Phone) -> None:
        self.phone, self.cursor = phone, ""
        self.rows: dict[tuple[str, int], Any] = {}

    def catch_up(self) -> None:
        has_more = True
        while has_more:
            page = self.phone.get(f"{API}sync/" + (f"?cursor={self.cursor}" if self.cursor else ""))
            for change in page["changes"]:
                place = (change["type"], change["id"])
                if change["op"] == "upsert":
                    self.rows[place] = change["data"]
                else:
                    self.rows.pop(place, None)
            self.cursor, has_more = page["next"], page["has_more"]


def all_of(phone: Phone, noun: str) -> list[Any]:
    rows: list[Any] = []
    path = f"{API}{noun}/?page_size=200"
    while path:
        page = phone.get(path)
        rows += page["results"]
        where = urlsplit(page["next"] or "")
        path = f"{where.path}?{where.query}" if page["next"] else ""
    return rows
