"""Each resource of config/resources.py does all that the API promises of one. Rows are made of the documented examples, so that
a new noun needs no line here."""

from typing import Any

import pytest
from django.conf import settings
from django.urls import reverse

from access import policy
from access.database import acting_as, because
from access.policy import MATRIX_ROLES, Role, Scope
from api.resources.registry import collection_of, copied, model_of, recorded, viewsets
from api.tests.made import body_of, made, patch_of
from audit.models import Entry
from audit.restore.restoration import last_deletion, restorable, restore
from audit.tests.replica import Copies
from conftest import API, Caller, Visitor, World

NAMES = {role: "partner" if role is Role.EXTERNAL else str(role) for role in MATRIX_ROLES}
every_resource = pytest.mark.parametrize("name", settings.RESOURCES)


def seen(response: Any) -> bool:
    assert response.status_code in (200, 403, 404), response.content
    return bool(response.status_code == 200)


@every_resource
def test_it_is_listed_read_and_written(name: str, world: World, management: Caller) -> None:
    row = made(management, name)
    flat = f"{API}{collection_of(viewsets()[name])}/"
    assert row["id"] in {one["id"] for one in management.get(flat).json()["results"]}
    assert management.get(row["url"]).json() == management.get(f"{flat}{row['id']}/").json() == row
    changed = management.patch(row["url"], patch_of(name), HTTP_IF_MATCH=management.get(row["url"])["ETag"])
    assert changed.status_code == 200 and changed.json() == changed.json() | patch_of(name)
    assert (row["version"], changed.json()["version"]) == (1, 2)
    stale = management.delete(row["url"], HTTP_IF_MATCH='"1-0000000000000000"')
    assert stale.status_code == 412


@every_resource
@pytest.mark.parametrize("role", MATRIX_ROLES)
def test_each_role_reads_what_the_policy_says(
    name: str, role: Role, world: World, management: Caller, caller: Any
) -> None:
    """Rows of others; test_cells asks about one's own."""
    row, reader = made(management, name), caller(NAMES[role])
    may_retrieve, may_list = (policy.scope_of(name, action, role) is Scope.ALL for action in ("retrieve", "list"))
    assert seen(reader.get(row["url"])) == may_retrieve or policy.scope_of(name, "retrieve", role) is Scope.OWN
    listed = reader.get(f"{API}{collection_of(viewsets()[name])}/")
    assert seen(listed) == (policy.scope_of(name, "list", role) is not Scope.NONE)
    assert not may_list or row["id"] in {one["id"] for one in listed.json()["results"]}
    if hasattr(viewsets()[name], "access"):
        answer = reader.get(f"{row['url']}access/")
        assert seen(answer) == seen(reader.get(row["url"]))
        allowed = {one["action"]: one["allowed"] for one in answer.json()["actions"]} if seen(answer) else {}
        if policy.scope_of(name, "update", role) is not Scope.OWN and allowed:
            assert allowed["update"] == (policy.scope_of(name, "update", role) is Scope.ALL)


@every_resource
@pytest.mark.parametrize("role", MATRIX_ROLES)
@pytest.mark.parametrize("action", ["update", "delete"])
def test_each_role_writes_what_the_policy_says(
    name: str, role: Role, action: str, world: World, management: Caller, caller: Any
) -> None:
    row, writer, scope = made(management, name), caller(NAMES[role]), policy.scope_of(name, action, role)
    answer = writer.delete(row["url"]) if action == "delete" else writer.patch(row["url"], {})
    if scope is Scope.ALL:
        assert answer.status_code in (200, 204), answer.content
    elif scope is Scope.NONE:
        assert answer.status_code in (403, 404), answer.content


@pytest.mark.parametrize("name", [name for name in settings.RESOURCES if hasattr(viewsets()[name], "history")])
def test_its_history_tells_each_write(name: str, world: World, management: Caller, auditor: Caller) -> None:
    row = made(management, name)
    assert management.patch(row["url"], patch_of(name)).status_code == 200
    for reader in (management, auditor):
        entries = reader.get(f"{row['url']}history/").json()["results"]
        assert [entry["action"] for entry in entries] == ["update", "create"]
        (change,) = {one["field"] for one in entries[0]["changes"]} & patch_of(name).keys()
        assert change in patch_of(name)
    entry = Entry.objects.about(model_of(viewsets()[name])(pk=row["id"])).order_by("pk")
    with acting_as(Role.MANAGEMENT):
        assert [one.operation for one in entry] == ["insert", "update"]


@pytest.mark.parametrize("name", [name for name in settings.RESOURCES if viewsets()[name].has_offline_copies])
def test_copies_learn_of_each_write(name: str, committed_world: World, copy_of: Copies, closed: Any) -> None:
    assert name in copied()
    copy = copy_of("auditor", types=name)
    manager = Caller.as_user(committed_world.users["management"])
    place = (name, (row := made(manager, name))["id"])
    closed()
    assert copy.catch_up() == [(*place, "upsert")]
    assert manager.patch(row["url"], patch_of(name)).status_code == 200
    closed()
    assert copy.catch_up() == [(*place, "upsert")]
    assert copy.rows[place]["version"] == 2
    with because("It was a mistake."), acting_as(Role.SUPERUSER):
        model_of(viewsets()[name])._default_manager.filter(pk=row["id"]).delete()
    closed()
    assert copy.catch_up() == [(*place, "delete")]


@pytest.mark.parametrize(
    "name", [name for name in settings.RESOURCES if name in recorded() and policy.knows(name, "restore")]
)
def test_a_deleted_row_comes_back(name: str, world: World, management: Caller) -> None:
    assert name in restorable()
    row = made(management, name)
    assert management.delete(row["url"]).status_code == 204
    assert management.get(row["url"]).status_code == 404
    with because("It was a mistake."), acting_as(Role.MANAGEMENT, user_id=world.users["management"].pk):
        restore(last_deletion(name, row["id"]))
    back = management.get(row["url"]).json()
    record = {"version", "updated_at"}
    assert {key: back[key] for key in back.keys() - record} == {key: row[key] for key in row.keys() - record}
    assert back["version"] == 2


@every_resource
def test_the_key_of_a_deleted_row_is_given_to_no_other(name: str, world: World, management: Caller) -> None:
    row = made(management, name)
    assert management.delete(row["url"]).status_code == 204
    again = management.post(row["url"].removesuffix(f"{row['id']}/"), body_of(name))
    assert again.status_code == 201 and again.json()["id"] > row["id"]


@every_resource
def test_its_pages_in_the_admin_site_open(name: str, world: World, management: Caller) -> None:
    row, options = made(management, name), model_of(viewsets()[name])._meta
    browser = Visitor()
    browser.force_login(world.users["management"])
    page = f"admin:{options.app_label}_{options.model_name}"
    addresses = [reverse(f"{page}_changelist"), reverse(f"{page}_add")]
    addresses += [reverse(f"{page}_{kind}", args=[row["id"]]) for kind in ("change", "history", "delete")]
    for address in addresses:
        assert browser.get(address).status_code == 200, address
