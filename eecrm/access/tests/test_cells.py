"""Each cell of the matrix as it is observed: a request on one's own row and one on somebody else's tell its scope.

Unlike the oracle, which lists cases, this covers every role × action, so that no cell can change unnoticed.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from access.database import acting_as, because, enter, leave
from access.policy import MATRIX_ROLES, Role, may_export_personal_data
from access.tests.paths import address, below, body_of
from accounts.login import tokens
from accounts.models import Cover, Mail, User
from audit.models import Entry
from conftest import API, Caller, Visitor, World, make_client, make_contract, make_event

CELLS = {
    (resource, action, role): scope
    for resource, action, *scopes in (
        line.split() for line in Path(__file__).with_name("cells.txt").read_text().splitlines() if line[0] != "#"
    )
    for role, scope in zip(MATRIX_ROLES, scopes, strict=True)
}
NAMES = {
    "external": "partner", "sales": "sales", "support": "support", "management": "management", "auditor": "auditor",
    "superuser": "superuser",
}  # fmt: skip
NOUNS = ("client", "contract", "event")


def cells(*actions: str, resources: tuple[str, ...] = NOUNS) -> Any:
    return pytest.mark.parametrize(
        ("resource", "action", "role", "scope"),
        [
            pytest.param(*cell, scope, id="-".join(cell))
            for cell, scope in CELLS.items()
            if cell[0] in resources and cell[1] in actions
        ],
    )


def scope_seen(on_own: bool, on_other: bool) -> str:
    assert on_own or not on_other, "somebody else's row was open and one's own was not"
    return "all" if on_other else "own" if on_own else "none"


def allowed(response: Any, resource: str, action: str) -> bool:
    """Whether the request went through; a refusal must be the policy's own, not PostgreSQL's behind it."""
    if response.status_code < 300:
        return True
    if response.status_code == 404:
        return False
    assert response.status_code == 403, response.content
    assert response.json()["rule"].startswith((f"{resource}.{action}.", f"{resource}.update.")), response.content
    return False


@pytest.fixture
def pairs(world: World) -> dict[tuple[str, str], tuple[Any, Any]]:
    """For each kind of row one of the actor's own and one of others. Sales and support own differently, hence roles."""
    sides = (world.own_client, world.users["sales"], world.users["support"]), (
        world.other_client, world.users["other_sales"], world.users["other_support"],
    )  # fmt: skip
    with acting_as(Role.SUPERUSER):
        lonely = tuple(make_client(f"Lonely {i}", contact) for i, (_, contact, _) in enumerate(sides))
        drafts = tuple(make_contract(client, "Draft") for client, _, _ in sides)
        signed = tuple(make_contract(client, "Signed", signed=True) for client, _, _ in sides)
        events = tuple(make_event(contract, "Party", side[2]) for contract, side in zip(signed, sides, strict=True))
    clients = (world.own_client, world.other_client)
    return {
        ("client", "row"): clients, ("client", "deletable"): lonely,
        ("contract", "row"): drafts, ("contract", "deletable"): drafts,
        ("event", "row"): events, ("event", "deletable"): events,
        ("client", "parent"): clients, ("contract", "parent"): clients, ("event", "parent"): signed,
    }  # fmt: skip


@cells("retrieve")
def test_retrieve(resource: str, action: str, role: str, scope: str, pairs: Any, caller: Any) -> None:
    person = caller(NAMES[role])
    own, other = (allowed(person.get(address(row)), resource, action) for row in pairs[resource, "row"])
    assert scope_seen(own, other) == scope


@cells("list")
def test_list(resource: str, action: str, role: str, scope: str, pairs: Any, caller: Any) -> None:
    response = caller(NAMES[role]).get(f"{API}{resource}s/")
    found = {row["id"] for row in response.json().get("results", [])}
    own, other = (row.pk in found for row in pairs[resource, "row"])
    assert scope_seen(own, other) == scope


@cells("create")
def test_create(resource: str, action: str, role: str, scope: str, world: World, pairs: Any, caller: Any) -> None:
    person = caller(NAMES[role])
    outcomes = []
    for parent, contact in zip(pairs[resource, "parent"], ("sales", "other_sales"), strict=True):
        body = body_of(resource, world, contact=contact) | (
            {"email": f"{contact}@new.example"} if resource == "client" else {}
        )
        outcomes.append(
            allowed(person.post(API + "clients/" if resource == "client" else below(parent), body), resource, action)
        )
    assert scope_seen(*outcomes) == scope


@cells("update", "assign", "sign")
def test_change(resource: str, action: str, role: str, scope: str, world: World, pairs: Any, caller: Any) -> None:
    person, people = caller(NAMES[role]), world.users
    outcomes = []
    for row, contacts in zip(
        pairs[resource, "row"], (("other_sales", "other_support"), ("sales", "support")), strict=True
    ):
        change = {
            "update": {"last_name": "Changed"} if resource == "client" else {"name": "Changed"},
            "sign": {"status": "signed"},
            "assign": {"sales_contact_id": people[contacts[0]].pk} if resource == "client" else {"support_contact_id": people[contacts[1]].pk},
        }[action]  # fmt: skip
        outcomes.append(allowed(person.patch(address(row), change), resource, action))
    assert scope_seen(*outcomes) == scope


@cells("delete")
def test_delete(resource: str, action: str, role: str, scope: str, pairs: Any, caller: Any) -> None:
    person = caller(NAMES[role])
    own, other = (allowed(person.delete(address(row)), resource, action) for row in pairs[resource, "deletable"])
    assert scope_seen(own, other) == scope


STATE_SQL = {
    ("contract", "amend"): "UPDATE contracts_contract SET amount = 2 WHERE id = {signed}",
    ("contract", "reopen"): "UPDATE contracts_contract SET status = 'draft' WHERE id = {signed}",
    ("event", "reopen"): "UPDATE events_event SET name = 'Changed' WHERE id = {closed}",
    ("client", "restore"): "INSERT INTO clients_client (status, company_name, first_name, last_name, email, phone, mobile, "
                           "sales_contact_id) VALUES ('client', 'R', 'R', 'R', 'r@r.example', '', '', {sales})",
    ("contract", "restore"): "INSERT INTO contracts_contract (client_id, name, status, amount, payment_due, signed_at) "
                             "VALUES ({client}, 'R', 'signed', 1, '2027-01-01', now())",
    ("event", "restore"): "INSERT INTO events_event (contract_id, name, status, attendees, starts_at, location, notes) "
                          "VALUES ({signed}, 'R', 'closed', 1, '2027-01-01', '', '')",
    ("user", "set_password"): "UPDATE accounts_user SET password = '!' WHERE id = {support}",
    ("user", "promote"): "UPDATE accounts_user SET is_superuser = true WHERE id = {support}",
    ("cover", "restore"): "INSERT INTO accounts_cover (colleague_id, substitute_id, starts_at, ends_at, reason) "
                          "VALUES ({sales}, {other_sales}, '2026-01-01', '2026-01-02', 'R')",
}  # fmt: skip


@cells("amend", "reopen", "restore", "promote", "set_password", resources=(*NOUNS, "user", "cover"))
def test_what_depends_on_state_is_decided_by_the_database(
    resource: str, action: str, role: str, scope: str, world: World
) -> None:
    with acting_as(Role.SUPERUSER):
        closed = make_event(world.own_signed, "Over", world.users["support"], status="closed")
    values = {
        "signed": world.own_signed.pk, "client": world.own_client.pk, "closed": closed.pk,
        "sales": world.users["sales"].pk, "other_sales": world.users["other_sales"].pk, "support": world.users["other_support"].pk,
    }  # fmt: skip
    try:
        with because("Asked for"), transaction.atomic():
            enter(role, user_id=world.users[NAMES[role]].pk)
            with connection.cursor() as cursor:
                cursor.execute(STATE_SQL[resource, action].format(**values))
                seen = "all" if cursor.rowcount else "none"
        leave()
    except DatabaseError:
        seen = "none"
    assert seen == scope


@cells("list", resources=("contact",))
def test_contact_directories(resource: str, action: str, role: str, scope: str, caller: Any) -> None:
    for path in ("users/sales-contacts/", "users/support-contacts/"):
        response = caller(NAMES[role]).get(API + path)
        assert ("all" if allowed(response, resource, action) else "none") == scope


@cells("explain", resources=("access",))
def test_asking_for_somebody_else(resource: str, action: str, role: str, scope: str, world: World, caller: Any) -> None:
    response = caller(NAMES[role]).get(f"{address(world.own_client)}access/?as=sales")
    assert ("all" if allowed(response, resource, action) else "none") == scope


@cells("retrieve", "update", resources=("profile",))
def test_profile(resource: str, action: str, role: str, scope: str, caller: Any) -> None:
    person = caller(NAMES[role])
    response = (
        person.get(API + "users/me/") if action == "retrieve" else person.patch(API + "users/me/", {"last_name": "X"})
    )
    assert ("own" if allowed(response, resource, action) else "none") == scope
    assert response.json()["id"] == person.user.pk


@cells("delete", resources=("session",))
def test_logout(resource: str, action: str, role: str, scope: str, world: World) -> None:
    pair = tokens.log_in(world.users[NAMES[role]])
    response = Caller(HTTP_AUTHORIZATION=f"Bearer {pair.access}").post(API + "users/logout/", {"refresh": pair.refresh})
    assert ("own" if allowed(response, resource, action) else "none") == scope


@cells("list", resources=("session",))
def test_own_logins(resource: str, action: str, role: str, scope: str, caller: Any) -> None:
    response = caller(NAMES[role]).get(API + "users/me/sessions/")
    assert ("own" if allowed(response, resource, action) else "none") == scope
    assert len(response.json()["results"]) == 1


@cells("retrieve", resources=("personal_data",))
def test_personal_data(resource: str, action: str, role: str, scope: str, world: World, caller: Any) -> None:
    row = caller(NAMES[role]).get(address(world.own_client)).json()
    shown = (row["email"], row["phone"], row["mobile"]) == (
        "ann.own.company@own.example",
        "+33199001234",
        "+33612345678",
    )
    assert shown == (scope != "none")


@cells("export", resources=("personal_data",))
def test_export_of_personal_data(resource: str, action: str, role: str, scope: str, world: World) -> None:
    assert ("all" if may_export_personal_data(world.users[NAMES[role]]) else "none") == scope


PAGES = {
    "user": "accounts/user/", "log_entry": "admin/logentry/", "group": "auth/group/", "cover": "accounts/cover/",
    "admin_site": "", "trail": "audit/entry/",
}  # fmt: skip
CHANGES = {
    "user": {"username": "renamed", "role": "external", "is_active": "on"},
    "group": {"name": "renamed"},
    "cover": {"ends_at_0": f"{timezone.now() + timedelta(days=3):%Y-%m-%d}", "ends_at_1": "00:00:00"},
}


def stored(row: Any) -> Any:
    """What the change of it changes, as it is in the database."""
    field = {User: "username", Group: "name", Cover: "ends_at"}.get(type(row))
    return type(row).objects.filter(pk=row.pk).values_list(field).first() if field else None


def in_the_admin_site(browser: Visitor, resource: str, action: str, row: Any) -> Any:
    """Do the thing there. A page that may be read but not sent off counts as a refusal, as 403 and the login page do."""
    page = "/hidden-admin/" + PAGES[resource]
    match action:
        case _ if resource == "admin_site":
            return browser.get(page)
        case "list":
            return browser.get(page)
        case "retrieve":
            return browser.get(f"{page}{row.pk}/change/")
        case "create":
            return browser.get(page + "add/")
        case "update":
            return browser.post(f"{page}{row.pk}/change/", CHANGES[resource], follow=True)
        case _:
            return browser.confirm(f"{page}{row.pk}/delete/", {"post": "yes"}, follow=True)


@cells("list", "retrieve", "create", "update", "delete", resources=tuple(PAGES))
def test_the_admin_site(resource: str, action: str, role: str, scope: str, world: World) -> None:
    users, now = world.users, timezone.now()
    with acting_as(Role.SUPERUSER, user_id=users["other_management"].pk):
        rows = {
            "user": users["unlinked"],
            "log_entry": LogEntry.objects.create(
                user=users["other_management"], object_repr="x", action_flag=1, change_message=""
            ),
            "group": Group.objects.create(name="Night shift"),
            "cover": Cover.objects.create(
                colleague=users["sales"], substitute=users["other_sales"], ends_at=now + timedelta(days=9), reason="Leave"
            ),
            "trail": Entry.objects.all()[0],
        }  # fmt: skip
        before = stored(rows.get(resource))
    browser = Visitor()
    browser.force_login(users[NAMES[role]])
    response = in_the_admin_site(browser, resource, action, rows.get(resource))
    is_done = response.status_code == 200 and "/login/" not in response.request["PATH_INFO"]
    assert ("all" if is_done else "none") == scope
    if action in ("update", "delete"):
        with acting_as(Role.SUPERUSER):
            assert (stored(rows[resource]) == before) == (scope == "none")


@cells("list", "retrieve", "update", resources=("mail",))
def test_the_outbox(resource: str, action: str, role: str, scope: str, world: World) -> None:
    mail = Mail.objects.create(kind="invitation", user=world.users["unlinked"], given_up_at=timezone.now())
    browser = Visitor()
    browser.force_login(world.users[NAMES[role]])
    match action:
        case "list":
            browser_sees = browser.get("/hidden-admin/accounts/mail/").status_code == 200
        case "retrieve":
            browser_sees = browser.get(f"/hidden-admin/accounts/mail/{mail.pk}/change/").status_code == 200
        case _:
            browser.confirm("/hidden-admin/accounts/mail/", {"action": "send_again", "_selected_action": [mail.pk]})
            browser_sees = Mail.objects.waiting().exists()
    assert ("all" if browser_sees else "none") == scope


@pytest.mark.parametrize("role", MATRIX_ROLES)
def test_everybody_is_told_their_own_column(role: str, caller: Any) -> None:
    expected: dict[str, dict[str, str]] = {}
    for (resource, action, column), scope in CELLS.items():
        if column == role:
            expected.setdefault(resource, {})[action] = scope
    assert caller(NAMES[role]).get(API + "users/me/permissions/").json() == {
        "role": role, "permissions": expected, "covering": [], "covered_by": [],
    }  # fmt: skip


def test_the_database_grants_what_the_table_says(db: None) -> None:
    call_command("sync_database", "--check", verbosity=0)
