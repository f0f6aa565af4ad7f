"""Two managers at the admin site and an app at the API work on the same rows, and nobody loses a field.

Random rounds against a model of what each of them meant to write. `SEED=… ROUNDS=… scripts/test …` repeats them.
"""

import os
import random
from typing import Any

import pytest
from django.contrib.auth.models import Group

from access.database import acting_as
from access.policy import Role
from audit.models import Entry
from audit.tests.site_forms import Tab
from conftest import API, Caller, Visitor, World

ROUNDS = int(os.environ.get("ROUNDS", "3"))  # CI plays them 200 times
SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(2**32))
STEPS = 12  # of a round
ADMIN = "/hidden-admin/"

# What may be typed into each field: few values, so that two people meet.
TEXTS = ["Alpha", "Beta é", "Gamma & <b>", "Delta\nsecond line"]
FIELDS: dict[str, dict[str, list[Any]]] = {
    "clients/client": {"company_name": TEXTS[:3], "first_name": TEXTS[:3], "last_name": TEXTS[:3], "phone": ["", "+33199001234", "+33199001235"]},
    "contracts/contract": {"name": TEXTS[:3], "amount": ["10.00", "20.50", "30.05"], "payment_due": ["2027-05-01", "2027-06-02"]},
    "events/event": {"name": TEXTS[:3], "location": ["", *TEXTS[:3]], "notes": ["", *TEXTS], "attendees": [1, 20, 300], "support_contact": [None, "support", "other_support"]},
    "accounts/user": {"first_name": TEXTS[:3], "last_name": TEXTS[:3], "job_title": ["", *TEXTS[:3]]},
}  # fmt: skip
GROUPS = ["PII", "PII_VIEW", "Night shift", "Day shift"]


class Model:
    """What the rows must hold, and who must be named for it."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.rng, self.users = rng, world.users
        self.rows: dict[str, Any] = {
            "clients/client": world.own_client, "contracts/contract": world.own_draft, "events/event": world.own_event,
            "accounts/user": world.users["unlinked"],
        }  # fmt: skip
        self.state = {noun: self.stored(noun) for noun in self.rows}
        self.groups: set[str] = set()
        self.written: list[tuple[str, str, str]] = []  # author, noun, field; or author, "groups", group
        self.clashes = 0

    def stored(self, noun: str) -> dict[str, Any]:
        with acting_as(Role.SUPERUSER):
            row = type(self.rows[noun])._default_manager.get(pk=self.rows[noun].pk)  # type: ignore[attr-defined]
            names = {user.pk: name for name, user in self.users.items()}
            return {
                name: names.get(row.support_contact_id) if name == "support_contact" else plain(getattr(row, name))
                for name in FIELDS[noun]
            }

    def stored_groups(self) -> set[str]:
        with acting_as(Role.SUPERUSER):
            return set(self.rows["accounts/user"].groups.values_list("name", flat=True))

    def write(self, author: str, noun: str, values: dict[str, Any]) -> None:
        for name, value in values.items():
            if self.state[noun][name] != value:
                self.state[noun][name] = value
                self.written.append((author, noun, name))

    def some(self, noun: str) -> dict[str, Any]:
        names = self.rng.sample(sorted(FIELDS[noun]), self.rng.randint(0, 3))
        return {name: self.rng.choice(FIELDS[noun][name]) for name in names}

    def changed(self, noun: str, since: int) -> set[str]:
        return {name for _, one, name in self.written[since:] if one == noun}

    def beside(self, noun: str, name: str) -> set[str]:
        """The fields that are decided together with one, and itself."""
        sets = self.rows[noun].decided_together
        return {name, *(other for names in sets if name in names for other in names)}

    def check(self) -> None:
        assert {noun: self.stored(noun) for noun in self.rows} == self.state
        assert self.stored_groups() == self.groups


def plain(value: Any) -> Any:
    return value if isinstance(value, int) or value is None else str(value)


class Manager:
    """A browser with one tab at most on each kind of row."""

    def __init__(self, name: str, model: Model) -> None:
        self.name, self.model = name, model
        self.browser = Visitor()
        self.browser.force_login(model.users[name])
        self.tabs: dict[str, tuple[Tab, dict[str, Any], set[str], int]] = {}

    def open(self, noun: str) -> None:
        tab = Tab(self.browser, f"{ADMIN}{noun}/{self.model.rows[noun].pk}/change/")
        self.tabs[noun] = tab, dict(self.model.state[noun]), set(self.model.groups), len(self.model.written)

    def send(self, noun: str, disturb: Any) -> None:
        tab, shown, shown_groups, since = self.tabs.pop(noun)
        typed = self.model.some(noun)
        form = {name: self.sent(value) for name, value in typed.items()}
        ticked = shown_groups
        if noun == "accounts/user":
            ticked = {name for name in GROUPS if (name in shown_groups) != (self.model.rng.random() < 0.2)}
            form["groups"] = [str(Group.objects.get(name=name).pk) for name in sorted(ticked)]
        while True:
            present = dict(self.model.state[noun])
            touched = {name: value for name, value in typed.items() if value != shown[name]}
            written = {name for name, value in touched.items() if value != present[name]}
            changed = {name: self.model.beside(noun, name) & self.model.changed(noun, since) for name in written}
            clashing = {name for name, others in changed.items() if others}
            groups = (self.model.groups | (ticked - shown_groups)) - (shown_groups - ticked)
            again = (groups ^ self.model.groups) & self.model.changed("groups", since)  # put in or taken out meanwhile
            answer = tab.send(**form)
            if not clashing and not again:
                assert answer.status_code == 302, answer.context["errors"]
                self.model.write(self.name, noun, touched)
                if noun == "accounts/user":
                    self.model.written += [(self.name, "groups", name) for name in groups ^ self.model.groups]
                    self.model.groups = groups
                return
            self.model.clashes += 1
            assert answer.status_code == 200
            is_by_both = again or not clashing.isdisjoint(set().union(*changed.values()))
            assert ("Replace with mine" if is_by_both else "Save mine beside theirs") in answer.content.decode()
            self.model.check()
            if self.model.rng.random() < 0.3:
                return  # theirs stays
            # One more click: the page holds what was typed, and the others' values of today.
            typed, shown, since = touched, present, len(self.model.written)
            form = {}
            if noun == "accounts/user":
                ticked, shown_groups = groups, set(self.model.groups)
            if self.model.rng.random() < 0.3:
                disturb()

    def sent(self, value: Any) -> str:
        return str(self.model.users[value].pk) if value in self.model.users else "" if value is None else str(value)


def in_api(noun: str) -> bool:
    return noun != "accounts/user"


def patch(app: Caller, model: Model, noun: str) -> None:
    values = model.some(noun)
    body = {
        ("support_contact_id" if name == "support_contact" else name): (
            model.users[value].pk if value in model.users else value
        )
        for name, value in values.items()
    }
    plural = noun.split("/")[0]
    answer = app.patch(f"{API}{plural}/{model.rows[noun].pk}/", body)
    assert answer.status_code == 200, answer.json()
    model.write("superuser", noun, values)


@pytest.fixture
def model(committed_world: World, settings: Any) -> Model:
    settings.RATE_LIMITS = {name: (10_000_000, seconds) for name, (_, seconds) in settings.RATE_LIMITS.items()}
    with acting_as(Role.SUPERUSER):
        for name in ("Night shift", "Day shift"):
            Group.objects.create(name=name)
    return Model(committed_world, random.Random(SEED))


def told(model: Model, after: int) -> list[tuple[str, str, str]]:
    """The trail of these rows: who wrote which field."""
    tables = {row._meta.db_table: noun for noun, row in model.rows.items()}
    found = []
    with acting_as(Role.SUPERUSER):
        groups = dict(Group.objects.values_list("pk", "name"))
        for entry in Entry.objects.filter(id__gt=after).order_by("id"):
            if entry.table_name == "accounts_user_groups":
                found.append((entry.actor_name, "groups", groups[(entry.new or entry.old or {})["group_id"]]))
            elif entry.table_name in tables and entry.operation == "update":
                columns = {name.removesuffix("_id") for name in entry.new} - {"version", "updated_at"}
                found += [(entry.actor_name, tables[entry.table_name], name) for name in columns]
    return found


def test_random_rounds_of_two_browsers_and_the_api_lose_no_field(model: Model) -> None:
    print(f"SEED={SEED}")
    rng = model.rng
    managers = [Manager(name, model) for name in ("management", "other_management")]
    app = Caller.as_user(model.users["superuser"])
    with acting_as(Role.SUPERUSER):
        start = Entry.objects.order_by("-id").values_list("id", flat=True)[0]
    for _ in range(ROUNDS):
        nouns = rng.sample(sorted(FIELDS), 2)
        for _ in range(STEPS):
            noun, manager = rng.choice(nouns), rng.choice(managers)
            if in_api(noun) and rng.random() < 0.3:
                patch(app, model, noun)
            elif noun in manager.tabs:
                manager.send(noun, lambda plural=noun: in_api(plural) and patch(app, model, plural))
            else:
                manager.open(noun)
            model.check()
    assert sorted(told(model, start)) == sorted(model.written)
    print(f"{len(model.written)} fields written, {model.clashes} clashes")
    if ROUNDS >= 20:
        assert model.clashes
