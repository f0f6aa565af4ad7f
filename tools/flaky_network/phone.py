"""An app as `docs/api.md` wants one: it repeats what wasn't answered, and never does anything twice, nor over anybody."""

import time
import uuid
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any
from urllib.parse import urlsplit

from line import Answer, Line, Lost

API = "/api/v1/"
TRIES = 200
PASSWORD = "Epic-Events-2026!"  # of the demo's accounts
AGAIN = (429, 503)

Change = Callable[[dict[str, Any]], dict[str, Any]]


class Refused(Exception):
    """An answer that no repeat will change."""


class Phone:
    def __init__(self, address: str, username: str, chance: Random) -> None:
        self.line, self.username, self.chance = Line(address, chance), username, chance
        self.met: Counter[str] = Counter()
        self.tokens = self._insist("POST", f"{API}users/login/", {"username": username, "password": PASSWORD}).body

    def get(self, path: str) -> Any:
        return self._as_me("GET", path).body

    def create(self, path: str, body: dict[str, Any]) -> Any:
        """One key for what is one thing, however often it must be said."""
        answer = self._as_me("POST", path, body, {"Idempotency-Key": str(uuid.UUID(int=self.chance.getrandbits(128)))})
        self.met["replayed"] += "idempotency-replayed" in answer.headers
        return answer.body

    def change(self, url: str, change: Change) -> Any:
        """`change` tells what is still to be done to the object as it is; it is asked again when somebody else was first,
        and when nobody knows whether it is done."""
        path = urlsplit(url).path
        for _ in range(TRIES):
            answer = self._as_me("GET", path)
            patch = change(answer.body)
            if not patch:
                return answer.body
            try:
                changed = self._once("PATCH", path, patch, {"If-Match": answer.headers["etag"]})
            except Lost:
                continue
            if changed.status == 200:
                return changed.body
            if changed.status not in (*AGAIN, 412):
                raise Refused(changed)
            self.met[str(changed.status)] += 1
        raise Refused(f"{TRIES} tries to change {path}")

    def refresh(self) -> None:
        """A lost answer isn't the end: the same old token is exchanged again, within 30 seconds."""
        self.tokens = self._insist("POST", f"{API}users/refresh/", {"refresh": self.tokens["refresh"]}).body
        self.met["refreshed"] += 1

    def _as_me(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        return self._insist(method, path, body, headers or {}, as_me=True)

    def _once(self, method: str, path: str, body: Any, headers: dict[str, str], *, as_me: bool = True) -> Answer:
        mine = {"Authorization": f"Bearer {self.tokens['access']}"} if as_me else {}
        return self.line.ask(method, path, headers | mine, body)

    def _insist(
        self, method: str, path: str, body: Any, headers: dict[str, str] | None = None, *, as_me: bool = False
    ) -> Answer:
        for _ in range(TRIES):
            try:
                answer = self._once(method, path, body, headers or {}, as_me=as_me)
            except Lost:
                self.met["lost"] += 1
                continue
            if answer.status == 401 and as_me:
                self.refresh()
            elif answer.status in AGAIN:
                self.met[str(answer.status)] += 1
                time.sleep(min(1, int(answer.headers.get("retry-after", 1))))
            elif answer.status >= 400:
                raise Refused(answer)
            else:
                return answer
        raise Refused(f"{TRIES} tries of {method} {path}")


class Copy:
    """What the phone keeps of the server, from `sync/`."""

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
