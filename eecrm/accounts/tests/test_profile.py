from typing import Any

import pytest

from access.database import acting_as
from access.policy import Role
from accounts.models import User
from conftest import API, Caller, World

ME = API + "users/me/"


def test_one_sees_and_changes_ones_own_names(world: World, support: Caller) -> None:
    me = {
        "id": world.users["support"].pk,
        "username": "support",
        "first_name": "Support",
        "last_name": "Person",
        "email": "support@epic.example",
        "role": "support",
        "is_superuser": False,
    }
    assert support.get(ME).json() == me
    change = {"first_name": "Sam", "last_name": "Porter"}
    assert support.patch(ME, change).json() == me | change
    assert support.get(ME).json() == me | change


def test_nobody_floods_the_trail_with_names(world: World, support: Caller, sales: Caller, settings: Any) -> None:
    """50,000 of them, nine minutes of a salesperson, took the worker 5 s and 100 MB for each manager whom it told; a day of them
    would have ended it, and the news with it."""
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"own_name": (2, 86_400)}
    assert [support.patch(ME, {"first_name": name}).status_code for name in ("A", "A", "B", "B", "C", "B")] == [
        200
    ] * 4 + [429, 200]
    assert support.get(ME).json()["first_name"] == "B"
    assert sales.patch(ME, {"first_name": "C"}).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"role": "management"},
        {"is_superuser": True},
        {"is_staff": True},
        {"is_active": False},
        {"id": 1},
        {"username": "boss"},
        {"email": "boss@epic.example"},
        {"password": "x"},
        {"display_name": "Boss"},
        {"groups": [1]},
    ],
)
def test_nobody_changes_anything_else_of_themselves(change: dict[str, Any], world: World, support: Caller) -> None:
    before = support.get(ME).json()
    response = support.patch(ME, change | {"first_name": "Changed"})
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == f"#/{next(iter(change))}"
    assert support.get(ME).json() == before


@pytest.mark.parametrize("change", [{"first_name": "x" * 151}, {"first_name": None}, {"last_name": ["x"]}])
def test_a_wrong_value_is_named(change: dict[str, Any], world: World, support: Caller) -> None:
    assert support.patch(ME, change).json()["errors"][0]["pointer"] == f"#/{next(iter(change))}"


@pytest.mark.parametrize(("path", "role"), [("sales-contacts", "sales"), ("support-contacts", "support")])
def test_the_directories_name_the_active_accounts_of_a_role(path: str, role: str, world: World, sales: Caller) -> None:
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username=f"other_{role}").update(is_active=False)
        User.objects.create_user("plain", role=role)
        User.objects.create_user("super", role=role, is_superuser=True)
    rows = sales.get(f"{API}users/{path}/").json()
    assert [row["name"] for row in rows["results"]] == [f"{role.title()} Person", "plain"]
    assert set(rows["results"][0]) == {"id", "name"}
    page = sales.get(f"{API}users/{path}/?page_size=1&count=true").json()
    assert page["count"] == 2
    assert sales.get(page["next"]).json()["results"] == rows["results"][1:]
    assert sales.get(f"{API}users/{path}/?search=x").status_code == 400
