"""`user.has_perm`, which Django's own code asks, gives the policy's answer."""

import pytest

from access.tests.test_cells import CELLS, NAMES
from conftest import World

MODELS = {"client": "clients", "contract": "contracts", "event": "events", "user": "accounts"}
VERBS = {"view": "retrieve", "add": "create", "change": "update", "delete": "delete"}


@pytest.mark.parametrize("role", NAMES)
def test_has_perm_agrees_with_every_cell(role: str, world: World) -> None:
    user = world.users[NAMES[role]]
    for resource, app in MODELS.items():
        for verb, action in VERBS.items():
            expected = CELLS[resource, action, role] != "none"
            assert user.has_perm(f"{app}.{verb}_{resource}") == expected, (resource, verb)


def test_what_the_policy_does_not_know_is_permitted_to_nobody(world: World) -> None:
    for permission in ("auth.view_group", "accounts.explode_user", "nonsense", "", "sessions.delete_session"):
        assert not world.users["superuser"].has_perm(permission), permission
    assert world.users["superuser"].has_perm("admin.view_logentry")


def test_an_inactive_account_has_no_permission(world: World) -> None:
    user = world.users["superuser"]
    user.is_active = False
    assert not user.has_perm("clients.view_client")
    assert not user.has_module_perms("clients")
