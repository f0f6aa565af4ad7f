"""The other way round: whatever the document declares of an operation happens. That an answer is as it is described is judged
with each answer of every test (`published`)."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError

from access import policy
from access.database import acting_as
from access.policy import Role
from access.tests.test_routes import GUARDED, PUBLIC
from accounts.login import tokens
from accounts.models import ExternalIdentity
from api.requests import limits
from api.resources.registry import collections
from api.tests.made import made, patch_of
from api.tests.published import Operation, published
from api.tests.test_problems import failing
from conftest import API, PASSWORD, Caller, World, make_client, make_contract

# Two at once have to meet for these: events/tests/test_hand_over.py and test_at_once.py let them.
ONLY_IN_RACES = {"client_sales_contact_active", "event_support_contact_active"}
NOWHERE = 2**62
ACTIONS = {"GET": "retrieve", "POST": "create", "PUT": "update", "PATCH": "update", "DELETE": "delete"}

OPERATIONS = {operation.id: operation for operation in published.operations}


class Stage:
    """One operation, and the world in which it is tried."""

    def __init__(self, operation: Operation, world: World) -> None:
        self.operation, self.world = operation, world
        self.caller: Caller | None = None  # None: each request comes from a login of its own
        self.keys: dict[str, Any] = {"client": world.own_client.pk, "contract": world.own_signed.pk, "id": 0}
        rows = {"clients": world.own_client, "contracts": world.own_draft, "events": world.own_event}
        self.collection = collection = re.sub(r"/(\{id}.*)?$", "", operation.path).rpartition("/")[2]
        self.person = self._writer(collection)
        if collection in rows:
            self.keys["id"] = rows[collection].pk
        elif collection in collections():
            self.keys |= self._keys_of_new(collection)
        elif "{id}" in operation.path:
            self.keys["id"] = self._session()

    def _writer(self, collection: str) -> str:
        """The first of these colleagues whose role the policy lets do it."""
        resource, action = collections().get(collection, ""), ACTIONS[self.operation.method]
        may = [role for role in ("sales", "support", "management") if policy.scope_of(resource, action, role) != "none"]
        return may[0] if may else "sales"

    def _keys_of_new(self, collection: str) -> dict[str, Any]:
        """Of a row of any other resource, and of its parents: they are in its URL."""
        row = made(Caller.as_user(self.world.users["management"]), collections()[collection])
        steps = re.findall(r"([a-z-]+)/(\d+)/", row["url"])
        return {collections()[step]: int(key) for step, key in steps} | {"id": row["id"]}

    def _session(self) -> str:
        pair = tokens.log_in(self.world.users["sales"])
        return str(tokens.read_token(tokens.AccessToken, pair.access).session)

    @property
    def example(self) -> Any:
        body = self.operation.described.get("requestBody")
        return dict(body["content"]["application/json"]["example"]) if body else None

    def call(self, body: Any = None, *, person: str = "", query: str = "", **headers: str) -> Any:
        name = person or self.person
        path = self.operation.path.format(**self.keys) + query
        options: dict[str, Any] = {"HTTP_" + key.upper(): value for key, value in headers.items()}
        return getattr(self.caller or self.new_caller(name), self.operation.method.lower())(
            path, body if body is not None else self.example, **options
        )

    def new_caller(self, name: str) -> Caller:
        is_public = {} in self.operation.described.get("security", [{}])
        return Caller() if is_public or name == "anonymous" else Caller.as_user(self.world.users[name])

    def prospect(self) -> Any:
        with acting_as(Role.SUPERUSER):
            users = self.world.users
            return make_client("Fresh Company", users["sales"], status="prospect", email="fresh@fresh.example")

    def succeed(self) -> Any:
        """With the document's own example, but for secrets."""
        body = self.example
        if self.operation.method == "PUT" and (resource := collections().get(self.collection, "")):
            body |= {field: value for field, value in patch_of(resource).items() if field != "status"}
        match self.operation.id:
            case "clients_replace" | "clients_delete":
                self.keys["id"] = self.prospect().pk
            case "auth_login":
                body = {"username": "sales", "password": PASSWORD}
            case "auth_refresh" | "auth_logout":
                body = {"refresh": tokens.log_in(self.world.users["sales"]).refresh}
            case "me_change_password":
                body |= {"old_password": PASSWORD}
            case "me_change_email":
                body |= {"password": PASSWORD}
        return self.call(body)


def by_reason(stage: Stage, settings: Any) -> Any:
    return stage.call(x_change_reason="x" * 501)


def without_login(stage: Stage, settings: Any) -> Any:
    return stage.call(person="anonymous")


def missing(stage: Stage, settings: Any) -> Any:
    if stage.operation.method == "POST" and "{" not in stage.operation.path:
        repeated = stage.call(idempotency_key="gone").json()
        assert Caller.as_user(stage.world.users["management"]).delete(repeated["url"]).status_code == 204
        return stage.call(idempotency_key="gone")
    is_uuid = isinstance(stage.keys["id"], str)
    stage.keys = dict.fromkeys(stage.keys, "0f8fad5b-d9cb-469f-a165-70867728950e" if is_uuid else NOWHERE)
    return stage.call()


def unchanged(stage: Stage, settings: Any) -> Any:
    return stage.call(if_none_match=stage.call()["ETag"])


def gone(stage: Stage, settings: Any) -> Any:
    cursor = stage.call().json()["next"]
    return stage.call(person="management", query=f"?cursor={cursor}")


def stale(stage: Stage, settings: Any) -> Any:
    return stage.call(if_match='"999"')


def too_large(stage: Stage, settings: Any) -> Any:
    return stage.call({"name": "x" * 2**20})


def not_json(stage: Stage, settings: Any) -> Any:
    caller = (
        Caller() if "security" not in stage.operation.described else Caller.as_user(stage.world.users[stage.person])
    )
    return caller.generic(stage.operation.method, stage.operation.path.format(**stage.keys), b"a=1", "text/plain")


def chunked(stage: Stage, settings: Any) -> Any:
    return stage.call(transfer_encoding="chunked")


def reused(stage: Stage, settings: Any) -> Any:
    stage.call(idempotency_key="k")
    return stage.call(stage.example | {"status": "other"}, idempotency_key="k")


def too_many(stage: Stage, settings: Any) -> Any:
    limits._leases.clear()
    settings.RATE_LIMITS = settings.RATE_LIMITS | {
        name: (1, 86_400) for name in ("anonymous", "read", "write", "login", "own_logins")
    }
    stage.caller = stage.new_caller(stage.person)  # one login for all requests: some limits belong to a login
    answers = (stage.call() for _ in range(20))  # what was taken under the usual limits may have to refill first
    return next(answer for answer in answers if answer.status_code == 429)


def without_database(stage: Stage, settings: Any) -> Any:
    is_public = {} in stage.operation.described.get("security", [{}])
    caller = Caller() if is_public else Caller.as_user(stage.world.users[stage.person])
    with failing(OperationalError("server closed the connection")):
        path = stage.operation.path.format(**stage.keys)
        return getattr(caller, stage.operation.method.lower())(path, stage.example)


CAUSES: dict[str, Callable[[Stage, Any], Any]] = {
    "304": unchanged, "400": by_reason, "401": without_login, "404": missing, "410": gone, "411": chunked, "412": stale, "413": too_large,
    "415": not_json, "422": reused, "429": too_many, "503": without_database,
}  # fmt: skip
BY_RULE = {"403", "409"}


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_example_of_a_request_is_accepted(name: str, world: World) -> None:
    (status,) = (status for status in OPERATIONS[name].described["responses"] if status < "300")
    response = Stage(OPERATIONS[name], world).succeed()
    assert response.status_code == int(status), response.content


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_refusal_that_is_declared_happens(name: str, world: World, settings: Any) -> None:
    declared = [
        status for status in OPERATIONS[name].described["responses"] if status > "300" and status not in BY_RULE
    ]
    for status in sorted(declared, key=lambda status: status == "429"):  # after which nothing else happens
        response = CAUSES[status](Stage(OPERATIONS[name], world), settings)
        assert response.status_code == int(status), response.content


def rules_of(status: str) -> dict[str, list[str]]:
    """The rules that each operation declares with this status."""
    return {
        name: list(described["content"]["application/problem+json"]["examples"])
        for name, one in OPERATIONS.items()
        if (described := published.response(one, int(status)))
    }


@pytest.mark.parametrize(("name", "rules"), rules_of("403").items())
def test_each_cell_that_is_declared_refuses(name: str, rules: list[str], world: World) -> None:
    for rule in rules:
        response = refused(Stage(OPERATIONS[name], world), rule)
        assert (response.status_code, response.json()["rule"]) == (403, rule)


def refused(stage: Stage, rule: str) -> Any:
    """A request that this cell of the table refuses."""
    world = stage.world
    _, action, role, scope = rule.split(".")
    stage.person = {"external": "partner"}.get(role, role)
    if scope == "own":
        rows = {"clients": world.other_client, "contracts": world.other_draft, "events": world.other_event}
        stage.keys = {"client": world.other_client.pk, "contract": world.other_signed.pk}
        stage.keys["id"] = next((row.pk for noun, row in rows.items() if f"{noun}/{{id}}" in stage.operation.path), 0)
    body = stage.example
    if rule == "client.create.sales.own":
        body |= {"sales_contact_id": world.users["other_sales"].pk}
    if action == "assign":
        contact = {"sales": "sales_contact_id", "support": "support_contact_id"}[role]
        body = body | {"status": "client"} if role == "sales" else body
        body |= {contact: world.users[f"other_{role}"].pk}
    return stage.call(body, query="?as=sales" if rule.startswith("access.explain") else "")


def conflict(stage: Stage, rule: str) -> Any:
    """A request that this rule of state refuses."""
    world, body = stage.world, stage.example
    is_update = stage.operation.method in ("PUT", "PATCH")
    match rule:
        case "client_starts_as_prospect":
            body["status"] = "client"
        case "client_email_unique":
            body |= {"status": "client"} if is_update else {}
            body["email"] = world.other_client.email
        case "client_never_turns_back":
            body["status"] = "prospect"
        case "contract_starts_as_draft":
            body["status"] = "signed"
        case "contract_needs_client":
            stage.keys["client"] = stage.prospect().pk
        case "contract_signed_amount_frozen":
            stage.keys["id"] = world.own_signed.pk
            body |= {"status": "signed", "amount": "1.00"}
        case "contract_signed_stays_signed":
            stage.keys["id"] = world.own_signed.pk
            body |= {"status": "draft", "amount": str(world.own_signed.amount)}
        case "contract_signed_stays":
            with acting_as(Role.SUPERUSER):
                stage.keys["id"] = make_contract(world.own_client, "Without events", signed=True).pk
        case "contract_has_events":
            stage.keys["id"], stage.person = world.own_signed.pk, "management"
        case "event_starts_as_created":
            body["status"] = "closed"
        case "event_needs_signed_contract":
            stage.keys["contract"] = world.own_draft.pk
        case "event_closed_read_only" | "event_goes_one_way":
            reached = "closed" if rule == "event_closed_read_only" else "in_progress"
            support = Caller.as_user(world.users["support"])
            assert support.patch(f"{API}events/{world.own_event.pk}/", {"status": reached}).status_code == 200
            body = body and body | {"status": "created" if reached == "in_progress" else "closed", "name": "Another"}
        case "address_asked_too_often":
            body["password"] = PASSWORD
            for name in ("support", "auditor", "partner"):
                stage.call(body, person=name)
        case "user_password_elsewhere":
            body["password" if "password" in body else "old_password"] = PASSWORD
            with acting_as(Role.SUPERUSER):
                ExternalIdentity.objects.create(user=world.users["sales"], issuer="https://id.example", subject="s")
    return stage.call(body)


@pytest.mark.parametrize(
    ("name", "rule"),
    [(name, rule) for name, rules in rules_of("409").items() for rule in rules if rule not in ONLY_IN_RACES],
)
def test_each_rule_of_state_that_is_declared_refuses(name: str, rule: str, world: World) -> None:
    response = conflict(Stage(OPERATIONS[name], world), rule)
    assert (response.status_code, response.json().get("rule")) == (409, rule)


def test_every_declared_operation_is_routed() -> None:
    routed = PUBLIC | GUARDED
    for operation in OPERATIONS.values():
        path = operation.path.removeprefix("/")
        for name in settings.RESOURCES:
            path = path.replace(f"{{{name}}}", f"<id:{name}>")
        found = {path.replace("{id}", "<id:pk>"), path.replace("{id}", "<uuid:pk>")} & routed.keys()
        assert any(operation.method in routed[one] for one in found), operation
