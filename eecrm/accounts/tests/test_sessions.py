"""One's own logins and password, and nobody else's."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from access.database import acting_as
from access.policy import Role
from accounts.login import tokens
from accounts.models import KnownPlace, TokenSession, User
from accounts.models.session import MAX_KNOWN_ADDRESSES, MAX_OPEN_LOGINS
from api.tests.test_at_once import alone
from conftest import API, PASSWORD, PATIENCE, PRIVILEGE, Caller, Visitor, World, refused_with

ME, SESSIONS, NEW_PASSWORD = API + "users/me/", API + "users/me/sessions/", API + "users/me/password/"
GOOD = "a different long phrase"


def log_in(world: World, name: str, agent: str = "") -> Caller:
    return Caller(HTTP_AUTHORIZATION=f"Bearer {tokens.log_in(world.users[name], user_agent=agent).access}")


def test_a_login_tells_from_where_it_was_last_used(world: World) -> None:
    office, train = Caller(REMOTE_ADDR="192.0.2.1"), Caller(REMOTE_ADDR="2001:db8::7")
    pair = office.post(API + "users/login/", {"username": "sales", "password": PASSWORD}).json()
    phone = Caller(HTTP_AUTHORIZATION=f"Bearer {pair['access']}")
    assert phone.get(SESSIONS).json()["results"][0]["address"] == "192.0.2.1"
    train.post(API + "users/refresh/", {"refresh": pair["refresh"]})
    assert phone.get(SESSIONS).json()["results"][0]["address"] == "2001:db8::7"


def test_one_sees_ones_own_open_logins_by_device(world: World) -> None:
    phone, laptop = log_in(world, "sales", "Phone"), log_in(world, "sales", "Laptop")
    log_in(world, "support", "Somebody else's")
    page = laptop.get(SESSIONS).json()
    assert [(row["user_agent"], row["is_current"]) for row in page["results"]] == [("Laptop", True), ("Phone", False)]
    assert set(page["results"][0]) == {
        "id",
        "created_at",
        "last_used_at",
        "expires_at",
        "device",
        "user_agent",
        "address",
        "is_current",
    }
    assert [row["is_current"] for row in phone.get(SESSIONS).json()["results"]] == [False, True]
    for query in (
        "bogus=1",
        "ordering=-created_at",
        "count=true",
        "page_size=201",
        "page_size=0",
        "cursor=x",
        "cursor=W2ZhbHNlLDEsMV0",
    ):
        assert phone.get(f"{SESSIONS}?{query}").status_code == 400, query


def test_an_account_has_a_bounded_number_of_open_logins_and_known_addresses(world: World) -> None:
    """However often somebody logs in, so that one statement can always end all logins of an account."""
    user, now = world.users["sales"], timezone.now()
    TokenSession.objects.bulk_create(
        TokenSession(
            id=uuid4(), user=user, refresh_jti=uuid4(), rotated_at=now, expires_at=now + timedelta(days=1),
            created_at=now - timedelta(seconds=age),
        ) for age in range(1, MAX_OPEN_LOGINS)
    )  # fmt: skip
    KnownPlace.objects.bulk_create(
        KnownPlace(user=user, place=place, used_at=now - timedelta(seconds=age))
        for age in range(1, MAX_KNOWN_ADDRESSES)
        for place in (f"192.0.2.{age}", f"browser {age}")
    )
    others = log_in(world, "support")
    sales = log_in(world, "sales")
    newest = sales.get(SESSIONS + "?page_size=200").json()
    assert [row["is_current"] for row in newest["results"]] == [True] + [False] * 199
    pages, address = 0, SESSIONS + "?page_size=200"
    seen: list[str] = []
    while address:
        page = sales.get(address).json()
        seen += [row["id"] for row in page["results"]]
        pages, address = pages + 1, page["next"]
    assert (pages, len(seen), len(set(seen))) == (5, MAX_OPEN_LOGINS, MAX_OPEN_LOGINS)
    back = sales.get(page["previous"]).json()
    assert [row["id"] for row in back["results"]] == seen[600:800]
    assert TokenSession.objects.open().filter(user=user).count() == MAX_OPEN_LOGINS
    oldest = TokenSession.objects.filter(user=user).order_by("created_at")
    latest = tokens.log_in(user, address="198.51.100.7")
    assert [row.revoked_at is None for row in oldest[:2]] == [False, True]
    assert TokenSession.objects.open().filter(user=user).count() == MAX_OPEN_LOGINS
    addresses = KnownPlace.objects.filter(user=user).exclude(place__startswith="browser ")
    assert addresses.count() == MAX_KNOWN_ADDRESSES
    assert addresses.filter(place="198.51.100.7").exists()
    assert not addresses.filter(place=f"192.0.2.{MAX_KNOWN_ADDRESSES - 1}").exists()
    assert KnownPlace.objects.filter(place__startswith="browser ").count() == MAX_KNOWN_ADDRESSES - 1
    assert Caller(HTTP_AUTHORIZATION=f"Bearer {latest.access}").get(ME).status_code == 200
    assert others.get(ME).status_code == 200


def test_one_ends_one_of_ones_own_logins(world: World) -> None:
    phone, laptop = log_in(world, "sales", "Phone"), log_in(world, "sales", "Laptop")
    lost = next(row["id"] for row in laptop.get(SESSIONS).json()["results"] if row["user_agent"] == "Phone")
    assert laptop.delete(f"{SESSIONS}{lost}/").status_code == 204
    assert phone.get(ME).status_code == 401
    assert laptop.get(ME).status_code == 200
    assert [row["user_agent"] for row in laptop.get(SESSIONS).json()["results"]] == ["Laptop"]
    assert laptop.delete(f"{SESSIONS}{lost}/").status_code == 404


def test_nobody_ends_a_login_of_somebody_else(world: World, superuser: Caller) -> None:
    phone = log_in(world, "sales", "Phone")
    theirs = phone.get(SESSIONS).json()["results"][0]["id"]
    assert superuser.delete(f"{SESSIONS}{theirs}/").status_code == 404
    assert phone.get(ME).status_code == 200


def test_logging_out_everywhere_ends_every_login_of_the_account_and_no_other(world: World, support: Caller) -> None:
    phone, laptop = log_in(world, "sales"), log_in(world, "sales")
    assert laptop.post(API + "users/logout-all/").status_code == 204
    for person in (phone, laptop):
        assert person.get(ME).status_code == 401
    assert support.get(ME).status_code == 200


def test_ending_all_others_keeps_the_login_that_asks(world: World, support: Caller, anonymous: Caller) -> None:
    phone, laptop = log_in(world, "management", "Phone"), log_in(world, "management", "Laptop")
    browser = Visitor()
    browser.force_login(User.objects.defer(None).get(username="management"))
    assert browser.get("/hidden-admin/").status_code == 200
    assert laptop.delete(SESSIONS).status_code == 204
    assert [person.get(ME).status_code for person in (phone, laptop, support)] == [401, 200, 200]
    assert browser.get("/hidden-admin/").status_code == 302
    assert [row["user_agent"] for row in laptop.get(SESSIONS).json()["results"]] == ["Laptop"]
    assert laptop.delete(SESSIONS + "?bogus=1").status_code == 400
    login = {"username": "management", "password": PASSWORD}
    assert anonymous.post(API + "users/login/", login).status_code == 200
    assert laptop.delete(SESSIONS).status_code == 204


def test_of_two_devices_that_end_all_others_one_stays(committed_world: World) -> None:
    """The other one isn't brought back by what it asked for itself."""
    devices = [log_in(committed_world, "sales") for _ in range(4)]
    with ThreadPoolExecutor(len(devices)) as pool:
        ends = [pool.submit(alone(lambda device=device: device.delete(SESSIONS).status_code)) for device in devices]
        assert sorted(end.result(timeout=PATIENCE) for end in ends) == [204, 401, 401, 401]
    assert TokenSession.objects.open().count() == 1


def test_a_login_that_ends_while_it_ends_the_others_stays_ended(world: World) -> None:
    phone = log_in(world, "sales")
    claims = tokens.read_token(tokens.AccessToken, phone.defaults["HTTP_AUTHORIZATION"].split()[1])
    TokenSession.objects.update(revoked_at=timezone.now())
    with pytest.raises(tokens.InvalidToken):
        tokens.end_others(world.users["sales"], claims)
    assert not TokenSession.objects.open().exists()


@pytest.mark.parametrize(
    ("user_agent", "device"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0", "Firefox on Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15", "Safari on macOS"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/123.0 Mobile/15E148 Safari/604.1", "Chrome on iPhone"),
        ("Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/24.0 Chrome/117.0 Mobile Safari/537.36", "Samsung Internet on Android"),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36 Edg/131.0", "Edge on Linux"),
        ("EpicEvents/2.1 (Android 15)", "EpicEvents on Android"), ("okhttp/4.12.0", "okhttp"), ("Dart/3.4 (dart:io)", "Dart"), ("python-requests/2.31", "python-requests"), ("Phone", "Phone"),
        ("Mozilla/5.0", ""), ("", ""), ("\u200b\u202eEpicEvents/2", "EpicEvents"), ("<script>alert(1)</script>", ""), ("x" * 200, ""), ("Ã©picevents/1 (iPad)", "iPad"),
    ],
)  # fmt: skip
def test_a_login_is_named_by_what_its_device_called_itself(user_agent: str, device: str, world: World) -> None:
    (row,) = log_in(world, "sales", user_agent).get(SESSIONS).json()["results"]
    assert (row["device"], row["user_agent"]) == (device, user_agent)


def test_a_new_password_ends_every_login_and_works_from_then_on(
    world: World, anonymous: Caller, support: Caller
) -> None:
    phone, laptop = log_in(world, "sales"), log_in(world, "sales")
    assert laptop.post(NEW_PASSWORD, {"old_password": PASSWORD, "new_password": GOOD}).status_code == 204
    for person in (phone, laptop):
        assert person.get(ME).status_code == 401
    assert support.get(ME).status_code == 200
    login = {"username": "sales", "password": GOOD}
    assert anonymous.post(API + "users/login/", login).status_code == 200
    assert anonymous.post(API + "users/login/", login | {"password": PASSWORD}).status_code == 401


@pytest.mark.parametrize("name", ["sales", "support", "management", "auditor", "partner", "superuser"])
def test_every_role_may_change_its_password(name: str, world: World, caller: Any) -> None:
    assert caller(name).post(NEW_PASSWORD, {"old_password": PASSWORD, "new_password": GOOD}).status_code == 204


@pytest.mark.parametrize(
    ("old", "new", "pointer"),
    [
        ("not the old one", GOOD, "#/old_password"),
        (PASSWORD, "short", "#/new_password"),
        (PASSWORD, "sales@epic.example", "#/new_password"),
        (PASSWORD, "password1234", "#/new_password"),
        (PASSWORD, "Epic-Events-2026!", "#/new_password"),
        (PASSWORD, "x" * 1025, "#/new_password"),
        ("x" * 1025, GOOD, "#/old_password"),
        (None, GOOD, "#/old_password"),
        (PASSWORD, ["x"], "#/new_password"),
    ],
)
def test_a_password_that_will_not_do_changes_nothing(
    old: Any, new: Any, pointer: str, world: World, anonymous: Caller
) -> None:
    sales = log_in(world, "sales")
    response = sales.post(NEW_PASSWORD, {"old_password": old, "new_password": new})
    assert response.status_code == 400
    assert {error["pointer"] for error in response.json()["errors"]} == {pointer}
    assert sales.get(ME).status_code == 200
    assert anonymous.post(API + "users/login/", {"username": "sales", "password": PASSWORD}).status_code == 200


def test_edge_spaces_of_a_password_are_kept(world: World, anonymous: Caller) -> None:
    spaced = f"  {GOOD} "
    assert (
        log_in(world, "sales").post(NEW_PASSWORD, {"old_password": PASSWORD, "new_password": spaced}).status_code == 204
    )
    assert anonymous.post(API + "users/login/", {"username": "sales", "password": GOOD}).status_code == 401
    assert anonymous.post(API + "users/login/", {"username": "sales", "password": spaced}).status_code == 200


@pytest.mark.parametrize("role", [Role.SALES, Role.MANAGEMENT, Role.SUPERUSER])
def test_no_role_brings_an_ended_login_back(role: Role, world: World) -> None:
    person = world.users[role]
    phone = log_in(world, role)
    assert phone.post(API + "users/logout-all/").status_code == 204
    for value in (None, timezone.now() + timedelta(days=9)):
        with acting_as(role, user_id=person.pk):
            TokenSession.objects.only("pk").filter(user=person).update(revoked_at=value)
        assert phone.get(ME).status_code == 401
    assert TokenSession.objects.get(user=person).revoked_at < timezone.now()


def test_the_ids_of_refresh_tokens_are_the_login_roles_alone(world: World) -> None:
    tokens.log_in(world.users["sales"])
    with refused_with(PRIVILEGE), acting_as(Role.SUPERUSER):
        list(TokenSession.objects.values_list("refresh_jti", flat=True))
