import time
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.conf import settings
from django.db import connection
from django.db.models import F
from django.utils import timezone

from access.database import acting_as
from access.policy import Role
from accounts.models import TokenSession, User
from conftest import API, PASSWORD, Caller, World

LOGIN, REFRESH, LOGOUT, ME = (API + "users/" + path for path in ("login/", "refresh/", "logout/", "me/"))


def bearer(access: str) -> Caller:
    return Caller(HTTP_AUTHORIZATION=f"Bearer {access}")


@pytest.fixture
def pair(world: World, anonymous: Caller) -> dict[str, str]:
    return anonymous.post(LOGIN, {"username": "sales", "password": PASSWORD}).json()


def test_logging_in_gives_two_tokens_that_work(world: World, pair: dict[str, str]) -> None:
    assert set(pair) == {"access", "refresh"}
    assert bearer(pair["access"]).get(ME).json()["username"] == "sales"
    user = User.objects.get(username="sales")
    assert user.last_login is not None


def test_tokens_say_whose_they_are_and_nothing_more(world: World, pair: dict[str, str]) -> None:
    for token, kind, lifetime in (
        (pair["access"], "access", timedelta(minutes=10)),
        (pair["refresh"], "refresh", timedelta(days=14)),
    ):
        key = settings.JWT_KEYS.present
        assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT", "kid": key.kid}
        claims = jwt.decode(
            token, key.verifying, algorithms=["HS256"], audience="epic-events-api", issuer="epic-events-crm"
        )
        assert set(claims) == {"token_type", "exp", "iat", "jti", "user_id", "sid", "iss", "aud"}
        assert claims["token_type"] == kind
        assert abs(claims["exp"] - claims["iat"] - lifetime.total_seconds()) <= 1


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("sales", "wrong"),
        ("nobody", PASSWORD),
        ("sales", PASSWORD + " "),
        ("inactive", PASSWORD),
        ("sales", "x" * 1024),
    ],
)
def test_a_failed_login_does_not_tell_why(username: str, password: str, world: World, anonymous: Caller) -> None:
    with acting_as(Role.SUPERUSER):
        User.objects.create_user("inactive", PASSWORD, is_active=False)
    response = anonymous.post(LOGIN, {"username": username, "password": password})
    problem = response.json()
    assert (response.status_code, problem["code"]) == (401, "login_failed")
    assert problem["detail"] == (
        "No active account has this username and password, or it rests for some minutes after too many failed tries."
    )
    assert response["WWW-Authenticate"] == 'Bearer realm="api"'


@pytest.mark.parametrize(
    "body",
    [{}, {"username": "sales"}, {"password": "x"}, {"username": "", "password": ""}, {"username": ["sales"], "password": PASSWORD},
     {"username": {"a": 1}, "password": PASSWORD}, {"username": None, "password": None}, {"username": "sales", "password": "x" * 1025},
     {"username": "x" * 151, "password": "x"}, {"username": "sales", "password": PASSWORD, "role": "management"}, [], "sales", 1, None],
)  # fmt: skip
def test_a_malformed_login_is_a_400(body: Any, world: World, anonymous: Caller) -> None:
    assert anonymous.post(LOGIN, body).status_code == 400


def test_a_refresh_token_is_exchanged_for_new_ones(pair: dict[str, str], anonymous: Caller) -> None:
    second = anonymous.post(REFRESH, {"refresh": pair["refresh"]}).json()
    assert second["refresh"] != pair["refresh"]
    assert bearer(second["access"]).get(ME).status_code == 200
    assert anonymous.post(REFRESH, {"refresh": second["refresh"]}).status_code == 200


def test_a_lost_answer_does_not_lock_a_phone_out(pair: dict[str, str], anonymous: Caller) -> None:
    first = anonymous.post(REFRESH, {"refresh": pair["refresh"]}).json()
    again = anonymous.post(REFRESH, {"refresh": pair["refresh"]}).json()
    assert again["refresh"] == first["refresh"]
    assert bearer(again["access"]).get(ME).status_code == 200
    assert anonymous.post(REFRESH, {"refresh": again["refresh"]}).status_code == 200


@pytest.mark.parametrize("seconds", [-60, 60])
@pytest.mark.parametrize("age", [0, 31])
def test_servers_whose_clocks_differ_agree_about_a_lost_answer(
    age: int, seconds: int, pair: dict[str, str], anonymous: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as clock:
        clock.setattr("accounts.login.tokens.aware_utcnow", lambda: timezone.now() + timedelta(seconds=seconds))
        assert anonymous.post(REFRESH, {"refresh": pair["refresh"]}).status_code == 200
    TokenSession.objects.update(rotated_at=F("rotated_at") - timedelta(seconds=age))
    assert anonymous.post(REFRESH, {"refresh": pair["refresh"]}).status_code == (401 if age else 200)


def test_reuse_of_an_old_refresh_token_ends_the_whole_login(pair: dict[str, str], anonymous: Caller) -> None:
    second = anonymous.post(REFRESH, {"refresh": pair["refresh"]}).json()
    TokenSession.objects.update(rotated_at=timezone.now() - timedelta(seconds=31))
    response = anonymous.post(REFRESH, {"refresh": pair["refresh"]})
    assert (response.status_code, response.json()["code"]) == (401, "token_invalid")
    assert response["WWW-Authenticate"] == 'Bearer realm="api"'
    for token in (pair["access"], second["access"]):
        assert bearer(token).get(ME).status_code == 401
    assert anonymous.post(REFRESH, {"refresh": second["refresh"]}).status_code == 401


def test_the_token_before_the_last_is_reuse_at_once(pair: dict[str, str], anonymous: Caller) -> None:
    second = anonymous.post(REFRESH, {"refresh": pair["refresh"]}).json()
    third = anonymous.post(REFRESH, {"refresh": second["refresh"]}).json()
    assert anonymous.post(REFRESH, {"refresh": pair["refresh"]}).status_code == 401
    assert anonymous.post(REFRESH, {"refresh": third["refresh"]}).status_code == 401


def test_a_login_grows_no_older_than_thirty_days(pair: dict[str, str], anonymous: Caller) -> None:
    TokenSession.objects.update(created_at=timezone.now() - timedelta(days=29, hours=23))
    fresh = anonymous.post(REFRESH, {"refresh": pair["refresh"]}).json()["refresh"]
    claims = jwt.decode(fresh, options={"verify_signature": False})
    assert claims["exp"] <= (timezone.now() + timedelta(hours=1, seconds=5)).timestamp()
    TokenSession.objects.update(expires_at=timezone.now())
    assert anonymous.post(REFRESH, {"refresh": fresh}).status_code == 401


def test_logging_out_ends_access_and_refresh_at_once(pair: dict[str, str], world: World, anonymous: Caller) -> None:
    other_device = anonymous.post(LOGIN, {"username": "sales", "password": PASSWORD}).json()
    assert bearer(pair["access"]).post(LOGOUT, {"refresh": pair["refresh"]}).status_code == 204
    assert bearer(pair["access"]).get(ME).status_code == 401
    assert anonymous.post(REFRESH, {"refresh": pair["refresh"]}).status_code == 401
    assert bearer(other_device["access"]).get(ME).status_code == 200


def test_the_refresh_token_alone_logs_out(pair: dict[str, str], anonymous: Caller, support: Caller) -> None:
    assert anonymous.post(LOGOUT, {"refresh": pair["refresh"]}).status_code == 204
    assert bearer(pair["access"]).get(ME).status_code == 401
    for way in (anonymous, bearer("expired"), support):
        assert way.post(LOGOUT, {"refresh": pair["refresh"]}).status_code == 204, "a login that is over is no news"
    assert support.get(ME).status_code == 200


def test_no_other_text_logs_anybody_out(pair: dict[str, str], anonymous: Caller, support: Caller) -> None:
    for text in (pair["access"], pair["refresh"][:-3] + "AAA", "x", "x.y.z"):
        answer = support.post(LOGOUT, {"refresh": text})
        assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")
    for body in ({}, {"refresh": None}, {"refresh": ["x"]}):
        assert anonymous.post(LOGOUT, body).status_code == 400
    assert anonymous.post(LOGOUT, {"refresh": "x" * 17_000}).status_code == 413
    assert bearer(pair["access"]).get(ME).status_code == support.get(ME).status_code == 200


def test_logging_out_counts_for_the_address(world: World, anonymous: Caller, settings: Any) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"anonymous": (3, 86_400)}
    guesses = [way.post(LOGOUT, {"refresh": "x"}) for way in (anonymous, bearer("x"), anonymous, anonymous)]
    assert [answer.status_code for answer in guesses] == [401, 401, 401, 429]


@pytest.mark.parametrize(
    "change", [{"is_active": False}, {"role": "support"}, {"is_superuser": True}, {"password": "!"}]
)
def test_a_change_of_the_account_ends_its_tokens_on_the_next_request(
    change: dict[str, Any], pair: dict[str, str], anonymous: Caller
) -> None:
    assert bearer(pair["access"]).get(ME).status_code == 200
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="sales").update(**change)
    assert bearer(pair["access"]).get(ME).status_code == 401
    assert anonymous.post(REFRESH, {"refresh": pair["refresh"]}).status_code == 401


def test_a_new_name_ends_no_token(pair: dict[str, str]) -> None:
    assert bearer(pair["access"]).patch(ME, {"first_name": "Sal"}).json()["first_name"] == "Sal"
    assert bearer(pair["access"]).get(ME).json()["first_name"] == "Sal"


def test_role_and_activity_are_read_anew_even_while_the_login_is_open(pair: dict[str, str]) -> None:
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="sales").update(is_active=False)
    TokenSession.objects.update(revoked_at=None)
    assert bearer(pair["access"]).get(ME).status_code == 401
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="sales").update(is_active=True, role="support")
    TokenSession.objects.update(revoked_at=None)
    assert bearer(pair["access"]).get(ME).json()["role"] == "support"


def test_a_deleted_account_has_no_tokens_left(world: World, anonymous: Caller) -> None:
    pair = anonymous.post(LOGIN, {"username": "unlinked", "password": PASSWORD}).json()
    with acting_as(Role.SUPERUSER):
        world.users["unlinked"].delete()
    assert bearer(pair["access"]).get(ME).status_code == 401
    assert anonymous.post(REFRESH, {"refresh": pair["refresh"]}).status_code == 401


def test_the_database_holds_no_token(pair: dict[str, str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT accounts_tokensession::text FROM accounts_tokensession")
        stored = " ".join(row[0] for row in cursor.fetchall())
    for token in pair.values():
        assert token not in stored
        assert token.rsplit(".", 1)[1] not in stored


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic c2FsZXM6cGFzcw==", "Token x", "bearer x y", "\x00", "Bearer\tx"]
)
def test_other_authorization_headers_are_anonymous(header: str, world: World) -> None:
    assert Caller(HTTP_AUTHORIZATION=header).get(ME).status_code == 401


def test_the_api_ignores_cookies(world: World) -> None:
    browser = Caller()
    browser.force_login(world.users["management"])
    assert browser.get(API + "clients/").status_code == 401


def test_a_token_that_was_good_a_moment_ago_expires_all_the_same(
    pair: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bearer(pair["access"]).get(ME).status_code == 200
    in_eleven_minutes = time.time() + 660
    monkeypatch.setattr("time.time", lambda: in_eleven_minutes)
    assert bearer(pair["access"]).get(ME).status_code == 401


@pytest.mark.parametrize(
    ("claim", "ahead", "is_believed"),
    [("iat", 2, True), ("nbf", 2, True), ("iat", 25, True), ("nbf", 25, True), ("iat", 45, False), ("nbf", 45, False),
     ("exp", -1, False), ("exp", -20, False)],
)  # fmt: skip
def test_a_server_whose_clock_is_ahead_logs_nobody_out_and_no_token_lives_longer(
    claim: str, ahead: int, is_believed: bool, pair: dict[str, str], anonymous: Caller
) -> None:
    """Both kinds of tokens, signed with the right key by a clock that differs."""
    key = settings.JWT_KEYS.present
    for kind, text in pair.items():
        claims = jwt.decode(text, options={"verify_signature": False}) | {claim: int(time.time()) + ahead}
        token = jwt.encode(claims, key.signing, key.algorithm, headers={"kid": key.kid})
        answer = bearer(token).get(ME) if kind == "access" else anonymous.post(REFRESH, {"refresh": token})
        assert answer.status_code == (200 if is_believed else 401), kind
