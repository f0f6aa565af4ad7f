"""Guessing passwords: one answer whatever is wrong, a rest after too many tries, and nobody kept out by somebody else."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from access.database import acting_as
from access.policy import Role
from accounts.login import credentials
from accounts.models import KnownPlace, TokenSession, User, normalise_username
from accounts.models.session import MAX_KNOWN_ADDRESSES
from accounts.outbox.purging import purge_expired
from accounts.passwords import links
from accounts.tests.hashers import CountedHasher
from api.requests import limits
from conftest import API, PASSWORD, Caller, Visitor, World

LOGIN, ME = API + "users/login/", API + "users/me/"
ADMIN_LOGIN = "/hidden-admin/login/"
ELSEWHERE = "198.51.100.20"


@pytest.fixture(autouse=True)
def ten_failures(settings: Any) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"login_failed_here": (10, 86_400)}


def log_in(username: str, password: str = PASSWORD, address: str = "192.0.2.1", **headers: str) -> Any:
    return Caller(REMOTE_ADDR=address, **headers).post(LOGIN, {"username": username, "password": password})


def fail(username: str, times: int, address: str = "192.0.2.1") -> None:
    for _ in range(times):
        assert log_in(username, "wrong", address).status_code == 401


def test_after_ten_failures_an_account_rests_and_nothing_tells_so(world: World) -> None:
    refused = log_in("sales", "wrong")
    fail("sales", 9)
    locked = log_in("sales")
    assert locked.status_code == refused.status_code == 401
    for answer in (locked, refused):
        answer.told = answer.json() | {"request_id": None}
    assert locked.told == refused.told
    assert set(locked.headers) == set(refused.headers)
    assert not TokenSession.objects.exists()


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("sales", "wrong"),
        ("nobody", PASSWORD),
        ("support", PASSWORD),
        ("partner", PASSWORD),
        ("auditor", PASSWORD),
        ("auditor@epic.example", PASSWORD),
        ("nobody@epic.example", PASSWORD),
    ],
    ids=[
        "wrong password",
        "unknown name",
        "inactive account",
        "no password",
        "locked account",
        "address of a locked account",
        "unknown address",
    ],
)
def test_each_refused_login_computes_one_hash(username: str, password: str, world: World, settings: Any) -> None:
    """Otherwise the time of the answer would tell what is wrong."""
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="support").update(is_active=False)
        User.objects.filter(username="partner").update(password=make_password(None))
    fail("auditor", 10)
    settings.PASSWORD_HASHERS = ["accounts.tests.hashers.CountedHasher"]
    CountedHasher.computed.clear()
    assert log_in(username, password).status_code == 401
    assert len(CountedHasher.computed) == 1


def test_failures_stay_counted_though_their_requests_are_refused(committed_world: World) -> None:
    fail("sales", 10)
    assert log_in("sales").status_code == 401
    assert log_in("sales", address=ELSEWHERE).status_code == 200


def test_the_same_account_is_reached_from_elsewhere_meanwhile(world: World) -> None:
    fail("sales", 12)
    assert log_in("sales").status_code == 401
    assert log_in("sales", address=ELSEWHERE).status_code == 200
    assert log_in("other_sales").status_code == 200


def test_the_rest_ends_by_itself(world: World) -> None:
    fail("sales", 11)
    assert log_in("sales").status_code == 401
    with connection.cursor() as cursor:  # a minute later
        limits.take((limits.limit("login_failed_here"), "sales 192.0.2.1", -1))
        cursor.execute("SELECT count(*) FROM api_limit WHERE bucket LIKE 'login_failed_here sales %'")
        assert cursor.fetchone() == (1,)
    assert log_in("sales").status_code == 200


def test_a_login_that_works_is_no_failure(world: World) -> None:
    for _ in range(15):
        assert log_in("sales").status_code == 200
    fail("sales", 9)
    assert log_in("sales").status_code == 200


def test_nor_is_the_last_one_that_its_address_may_ask_for(world: World, settings: Any) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"anonymous": (5, 86_400)}
    here, anonymous = limits.limit("login_failed_here"), limits.limit("anonymous")
    limits.take((anonymous, "192.0.2.1", anonymous.capacity))
    answer = log_in("sales")
    assert (answer.status_code, answer["RateLimit"].split(";")[1]) == (200, "r=0")
    assert limits.take((here, "sales 192.0.2.1", here.capacity))[0].granted == here.capacity


@pytest.mark.parametrize(
    "spelling", ["SALES", "Sales", " sales ", "sa\u200bles", "\ufeffsales", "ｓａｌｅｓ", "sales\u00ad", "ſales"]
)
def test_no_spelling_of_a_name_slips_past(spelling: str, world: World) -> None:
    assert log_in(spelling).status_code == 200
    fail(spelling, 10)
    assert log_in("sales").status_code == 401


def test_an_address_counts_for_its_account(world: World) -> None:
    fail("sales@epic.example", 4)
    fail("SALES@epic.example", 3)
    fail("sales", 3)
    assert [log_in(name).status_code for name in ("sales", "sales@epic.example")] == [401, 401]
    assert log_in("sales@epic.example", address=ELSEWHERE).status_code == 200
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM api_limit WHERE bucket LIKE '%@%'")
        assert cursor.fetchone() == (0,)


def test_an_address_costs_one_statement_more_and_the_same_one_for_all(
    world: World, django_assert_num_queries: Any
) -> None:
    log_in("nobody", "wrong")
    with CaptureQueriesContext(connection) as queries:
        assert log_in("nobody", "wrong").status_code == 401
    for name in ("nobody@epic.example", "sales@epic.example", "superuser@epic.example"):
        with django_assert_num_queries(len(queries) + 1):
            assert log_in(name, "wrong").status_code == 401


def test_an_address_is_found_from_an_index(world: World) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {credentials._USERNAME_OF}", {"name": "x", "address": "x@epic.example"})
        assert "user_confirmed_email" in str(cursor.fetchall())


def test_an_unknown_name_rests_like_a_known_one(world: World) -> None:
    fail("nobody", 11)
    with acting_as(Role.SUPERUSER):
        User.objects.create_user("nobody", PASSWORD)
    assert log_in("nobody").status_code == 401
    assert log_in("nobody", address=ELSEWHERE).status_code == 200


def test_failures_from_many_addresses_count_for_the_account_too(world: World, settings: Any) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"login_failed_account": (15, 86_400)}
    for number in range(15):
        fail("sales", 1, f"192.0.2.{number}")
    assert log_in("sales", address=ELSEWHERE).status_code == 401


def test_one_address_does_not_use_up_what_an_account_has_everywhere(world: World, settings: Any) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"login_failed_account": (15, 86_400)}
    fail("sales", 30)
    assert log_in("sales").status_code == 401
    assert log_in("sales", address=ELSEWHERE).status_code == 200


@pytest.fixture
def real_limits(settings: Any) -> None:
    """As they are in production."""
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"login_failed_here": (20, 3_600)}


@pytest.fixture
def small_limits(settings: Any) -> None:
    """A tenth of them, for fewer hashes, and over a day, so that none comes back during a test on a busy machine."""
    settings.RATE_LIMITS = settings.RATE_LIMITS | {
        "login_failed_here": (2, 86_400), "login_failed_account": (10, 86_400),
    }  # fmt: skip


def test_what_is_tested_here_is_what_is_configured() -> None:
    from config.settings import RATE_LIMITS

    assert RATE_LIMITS["login_failed_here"] == (20, 3_600)


def guess_at_five_addresses(username: str = "sales", *, network: str = "198.51.100") -> None:
    """As many wrong passwords as each of them may send, as fast as they come."""
    for number in range(5):
        fail(username, 2, f"{network}.{number}")


def test_five_addresses_keep_nobody_out_where_the_account_is_known(world: World, small_limits: None) -> None:
    assert log_in("sales", address="192.0.2.7").status_code == 200
    guess_at_five_addresses()
    assert log_in("sales", address="192.0.2.9").status_code == 401, "the account rests where nobody knows it"
    for _ in range(3):
        assert log_in("sales", address="192.0.2.7").status_code == 200
    fail("sales", 2, "192.0.2.7")
    assert log_in("sales", address="192.0.2.7").status_code == 401, "what fails at the known address counts there"


def test_a_known_ipv6_customer_is_known_by_its_network(world: World, small_limits: None) -> None:
    assert log_in("sales", address="2001:db8:1:2::1").status_code == 200
    guess_at_five_addresses()
    assert log_in("sales", address="2001:db8:1:2:ffff::9").status_code == 200
    assert log_in("sales", address="2001:db8:1:3::1").status_code == 401


def test_the_admin_site_knows_where_an_account_logs_in_too(world: World, small_limits: None) -> None:
    form = {"username": "management", "password": PASSWORD}
    assert Visitor(REMOTE_ADDR="192.0.2.7").post(ADMIN_LOGIN, form).status_code == 302
    KnownPlace.objects.update(used_at=timezone.now() - timedelta(days=91))
    assert Visitor(REMOTE_ADDR="192.0.2.7").post(ADMIN_LOGIN, form).status_code == 302
    purge_expired()
    guess_at_five_addresses("management")
    assert Visitor(REMOTE_ADDR="192.0.2.9").post(ADMIN_LOGIN, form).status_code == 200
    assert Visitor(REMOTE_ADDR="192.0.2.7").post(ADMIN_LOGIN, form).status_code == 302
    assert log_in("management", address="192.0.2.7").status_code == 200


def site_login(browser: Visitor, password: str = PASSWORD, name: str = "management") -> int:
    return int(browser.post(ADMIN_LOGIN, {"username": name, "password": password}).status_code)


def marked(name: str = "management") -> Visitor:
    """A browser at the office in which this account has logged in before, and out."""
    browser = Visitor(REMOTE_ADDR="192.0.2.1")
    assert site_login(browser, name=name) == 302
    del browser.cookies[settings.SESSION_COOKIE_NAME]
    return browser


def test_a_colleague_at_the_same_address_keeps_nobody_out_of_a_browser_that_the_account_has_used(
    world: World, small_limits: None
) -> None:
    browser = marked()
    fail("management", 3)
    assert site_login(Visitor(REMOTE_ADDR="192.0.2.1")) == 200, "an unmarked browser waits"
    for _ in range(3):
        assert site_login(browser) == 302
    for _ in range(2):
        assert site_login(browser, "wrong") == 200
    assert site_login(browser) == 200, "what fails in the marked browser counts there"


def test_nor_by_using_up_what_the_address_may_fail(world: World, settings: Any) -> None:
    browser = marked()
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"login_failed_address": (1, 86_400)}
    for number in range(3):
        log_in(f"guess{number}", "wrong")
    assert log_in("management").status_code == 429
    assert site_login(browser) == 302


def test_a_mark_is_of_one_account_and_one_key(world: World, small_limits: None) -> None:
    own = marked("auditor")
    fail("management", 3)
    assert site_login(own) == 200
    browser = marked("other_management")
    name, value = settings.BROWSER_COOKIE_NAME, browser.cookies[settings.BROWSER_COOKIE_NAME].value
    fail("other_management", 3)
    for forged in ("", ".", value[:-1], f"0{value}", value.partition(".")[0], "é\x7f.\xe9"):
        browser.cookies[name] = forged
        assert site_login(browser, name="other_management") == 200
    browser.cookies[name] = value
    assert site_login(browser, name="other_management") == 302


def test_a_marked_browser_keeps_its_mark(world: World) -> None:
    """A new one with each login would be a new bucket of guesses with each."""
    browser = marked()
    before = browser.cookies[settings.BROWSER_COOKIE_NAME].value
    assert site_login(browser) == 302
    assert browser.cookies[settings.BROWSER_COOKIE_NAME].value == before


def test_no_mark_and_no_known_place_before_the_second_factor(world: World, phone: Any) -> None:
    app, browser = phone("management"), Visitor(REMOTE_ADDR="192.0.2.7")
    assert site_login(browser) == 302
    assert settings.BROWSER_COOKIE_NAME not in browser.cookies and not KnownPlace.objects.exists()
    browser.post("/hidden-admin/second-factor/", {"code": app.code()})
    assert settings.BROWSER_COOKIE_NAME in browser.cookies
    assert {row.place for row in KnownPlace.objects.all()} >= {"192.0.2.7"}


def test_an_account_has_ten_marked_browsers(world: World) -> None:
    first, *_ = [marked() for _ in range(11)]
    assert KnownPlace.objects.filter(place__startswith="browser ").count() == 10
    mark = first.cookies[settings.BROWSER_COOKIE_NAME].value.partition(".")[0]
    assert not KnownPlace.objects.filter(place=f"browser {mark}").exists()


@pytest.mark.parametrize("by", ["api", "site", "link", "stranger"])
def test_a_new_password_forgets_where_the_old_one_was_used(by: str, world: World, small_limits: None) -> None:
    new, management = "seven quiet lanterns", world.users["management"]
    thief = marked()
    assert log_in("management", address="192.0.2.8").status_code == 200
    owner = Visitor(REMOTE_ADDR="192.0.2.9")
    assert site_login(owner) == 302
    chosen = {"new_password1": new, "new_password2": new}
    if by == "api":
        phone = Caller.as_user(management)
        body = {"old_password": PASSWORD, "new_password": new}
        assert phone.post(ME + "password/", body, REMOTE_ADDR="192.0.2.9").status_code == 204
    elif by == "site":
        page = owner.post("/hidden-admin/password_change/", {"old_password": PASSWORD} | chosen)
        assert page.status_code == 302
    elif by == "link":
        link = links.PASSWORD_RESET.url(User.objects.defer(None).get(pk=management.pk))
        page = owner.get(link.removeprefix("http://127.0.0.1:8000")).url
        assert owner.post(page, chosen).status_code == 302
    else:
        with acting_as(Role.SUPERUSER):
            User.objects.filter(pk=management.pk).update(password="!none")
    known = set(
        KnownPlace.objects.filter(user=management).exclude(place__startswith="browser ").values_list("place", flat=True)
    )
    assert known == (set() if by == "stranger" else {"192.0.2.9"})
    if by in ("site", "link"):
        fail("management", 3, "192.0.2.9")
        guess_at_five_addresses("management")
        assert site_login(thief, new) == 200, "a mark from before is no known place"
        assert site_login(owner, new) == 302


def test_marks_of_an_old_password_are_no_places_of_their_own(world: World, small_limits: None) -> None:
    """A thief of the old password may have as many marks as they like: each would have its own wrong passwords."""
    thieves = [marked() for _ in range(6)]
    phone = Caller.as_user(world.users["management"])
    body = {"old_password": PASSWORD, "new_password": "seven quiet lanterns"}
    assert phone.post(ME + "password/", body, REMOTE_ADDR="192.0.2.9").status_code == 204
    for thief in thieves:
        for _ in range(2):
            assert site_login(thief, "wrong") == 200
    assert log_in("management", "seven quiet lanterns", ELSEWHERE).status_code == 200


def test_a_password_by_link_in_a_marked_browser_opens_the_api_there_too(world: World, small_limits: None) -> None:
    browser, new = marked(), "seven quiet lanterns"
    fail("management", 3)
    assert log_in("management").status_code == 401
    link = links.PASSWORD_RESET.url(User.objects.defer(None).get(username="management"))
    page = browser.get(link.removeprefix("http://127.0.0.1:8000")).url
    assert browser.post(page, {"new_password1": new, "new_password2": new}).status_code == 302
    assert log_in("management", new).status_code == 200


def test_where_one_account_is_known_another_is_not(world: World, small_limits: None) -> None:
    assert log_in("other_sales", address="192.0.2.7").status_code == 200
    guess_at_five_addresses()
    assert log_in("sales", address="192.0.2.7").status_code == 401


def test_a_password_chosen_by_link_ends_the_rest_and_makes_the_place_known(world: World, small_limits: None) -> None:
    guess_at_five_addresses()
    fail("sales", 1, "192.0.2.7")
    assert log_in("sales", address="192.0.2.7").status_code == 401
    link = links.PASSWORD_RESET.url(User.objects.defer(None).get(username="sales"))
    owner = Visitor(REMOTE_ADDR="192.0.2.7")
    page = owner.get(link.removeprefix("http://127.0.0.1:8000")).url
    chosen = {"new_password1": "seven quiet lanterns", "new_password2": "seven quiet lanterns"}
    assert owner.post(page, chosen).status_code == 302
    assert log_in("sales", "seven quiet lanterns", ELSEWHERE).status_code == 200, "the account's bucket is empty"
    assert settings.BROWSER_COOKIE_NAME in owner.cookies
    guess_at_five_addresses(network="203.0.113")
    assert log_in("sales", "seven quiet lanterns", "192.0.2.7").status_code == 200
    assert log_in("sales", "seven quiet lanterns", "192.0.2.8").status_code == 401


def test_one_slow_address_never_locks_the_account_elsewhere(
    committed_world: World, real_limits: None, migrator: Any
) -> None:
    """Four hours of a try each 30 seconds; an hour on the clock of the buckets is one statement."""
    here, account = limits.limit("login_failed_here"), limits.limit("login_failed_account")
    least = account.capacity
    for _ in range(480):
        taken = limits.take((here, "sales 192.0.2.1", 1), (account, "sales", 1))
        least = min(least, taken[1].remaining if len(taken) == 2 else least)
        with migrator.cursor() as cursor:
            cursor.execute("UPDATE eecrm.api_limit SET filled_until = filled_until - interval '30 seconds'")
    assert least >= account.capacity - here.capacity - 1
    assert log_in("sales", address=ELSEWHERE).status_code == 200


def test_places_are_forgotten_where_nobody_has_logged_in_for_long(world: World) -> None:
    assert log_in("sales", address="192.0.2.7").status_code == 200
    assert log_in("sales", address="192.0.2.8").status_code == 200
    KnownPlace.objects.update(used_at=timezone.now() - timedelta(days=91))
    assert log_in("sales", address="192.0.2.7").status_code == 200, "which counts anew"
    purge_expired()
    assert list(KnownPlace.objects.values_list("user__username", "place")) == [("sales", "192.0.2.7")]
    assert log_in("sales", address="192.0.2.7").status_code == 200
    assert KnownPlace.objects.count() == 1


def test_an_account_has_a_bounded_number_of_known_addresses_from_the_admin_site_too(world: World) -> None:
    user, long_ago = world.users["management"], timezone.now() - timedelta(days=1)
    KnownPlace.objects.bulk_create(
        KnownPlace(user=user, place=f"198.51.100.{number}", used_at=long_ago) for number in range(MAX_KNOWN_ADDRESSES)
    )
    marked()
    places = [known.place for known in user.known_places.all() if not known.place.startswith("browser ")]
    assert len(places) == MAX_KNOWN_ADDRESSES and places[0] == "192.0.2.1"


@pytest.mark.parametrize("limit", ["login", "login_failed_address"])
def test_what_an_address_is_refused_does_not_count_for_the_account(limit: str, world: World, settings: Any) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {limit: (1, 86_400)}
    fail("sales", 1)
    assert {log_in("sales", "wrong").status_code for _ in range(10)} == {429}
    for number in range(9):
        fail("sales", 1, f"198.51.100.{number}")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM api_limit WHERE bucket LIKE 'login_failed%% sales'")
        assert cursor.fetchone() == (1,)
    account = limits.limit("login_failed_account")
    assert limits.take((account, "sales", account.capacity))[0].granted == account.capacity - 10


def test_an_address_that_fails_with_many_names_is_refused_before_any_hashing(world: World, settings: Any) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"login_failed_address": (5, 86_400)}
    for number in range(5):
        fail(f"guess{number}", 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(User, "check_password", None)  # would be called
        response = log_in("sales")
    assert (response.status_code, response.json()["code"]) == (429, "throttled")
    assert int(response["Retry-After"]) > 17_000
    assert log_in("sales", HTTP_X_FORWARDED_FOR=ELSEWHERE).status_code == 429
    assert log_in("sales", address=ELSEWHERE).status_code == 200


def test_a_flood_of_right_logins_is_refused_too(world: World, settings: Any) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"login": (3, 86_400)}
    assert [log_in("sales").status_code for _ in range(4)] == [200] * 3 + [429]


def test_the_admin_site_counts_in_the_same_buckets(world: World) -> None:
    for _ in range(11):
        page = Visitor(REMOTE_ADDR="192.0.2.1").post(ADMIN_LOGIN, {"username": "management", "password": "wrong"})
        assert page.status_code == 200
    assert log_in("management").status_code == 401
    form = {"username": "management", "password": PASSWORD}
    assert Visitor(REMOTE_ADDR="192.0.2.1").post(ADMIN_LOGIN, form).status_code == 200
    assert Visitor(REMOTE_ADDR=ELSEWHERE).post(ADMIN_LOGIN, form).status_code == 302


def test_the_admin_site_says_how_long_an_address_has_to_wait(world: World, settings: Any) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"login": (1, 86_400)}
    form = {"username": "management", "password": "wrong"}
    browser = Visitor(REMOTE_ADDR="192.0.2.1")
    assert b"Too many tries" not in browser.post(ADMIN_LOGIN, form).content
    page = browser.post(ADMIN_LOGIN, form | {"password": PASSWORD})
    assert page.status_code == 200
    assert b"Too many tries from your address: try again in 86" in page.content


def test_a_stolen_token_or_session_is_no_way_to_guess_the_password(committed_world: World, settings: Any) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"own_password": (3, 86_400)}
    change = {"old_password": "wrong", "new_password": "a different long phrase"}
    phone = Caller.as_user(committed_world.users["management"])
    assert [phone.post(ME + "password/", change).status_code for _ in range(4)] == [400] * 3 + [429]
    assert phone.post(ME + "password/", change | {"old_password": PASSWORD}).status_code == 429
    browser = Visitor()
    browser.force_login(committed_world.users["management"])
    page = "/hidden-admin/password_change/"
    chosen = {"new_password1": "some other long phrase", "new_password2": "some other long phrase"}
    for _ in range(3):
        assert b"was entered incorrectly" in browser.post(page, {"old_password": "wrong"} | chosen).content
    assert b"Too many requests: try again in" in browser.post(page, {"old_password": PASSWORD} | chosen).content
    assert Caller.as_user(committed_world.users["sales"]).post(ME + "password/", change).status_code == 400


def test_whoever_stole_a_token_or_a_session_keeps_nobody_from_a_new_password(
    committed_world: World, settings: Any
) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"own_password": (3, 86_400)}
    change = {"old_password": "wrong", "new_password": "a different long phrase"}
    thief, owner = (Caller.as_user(committed_world.users["management"]) for _ in range(2))
    browser = Visitor()
    browser.force_login(committed_world.users["management"])
    for _ in range(4):
        thief.post(ME + "password/", change)
        browser.post("/hidden-admin/email/", {"email": "x@epic.example", "password": "wrong"})
    assert owner.post(ME + "password/", change | {"old_password": PASSWORD}).status_code == 204


def test_a_login_costs_three_statements(committed_world: World, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(3):
        assert log_in("sales").status_code == 200


def test_malformed_logins_are_no_failures(world: World) -> None:
    for _ in range(12):
        assert Caller(REMOTE_ADDR="192.0.2.1").post(LOGIN, {"username": "sales"}).status_code == 400
    assert log_in("sales").status_code == 200


def test_what_happens_at_the_login_is_on_record(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with acting_as(Role.SUPERUSER):
        User.objects.create_user("left", PASSWORD, is_active=False)
    caplog.set_level(logging.INFO)
    log_in("sales")
    log_in("sales", "wrong")
    log_in("my secret phrase", "wrong")
    log_in("left")
    fail("sales", 10)
    events = [
        (record.event, getattr(record, "reason", None), record.account)
        for record in caplog.records
        if record.name == "eecrm.security"
    ]
    sales, left = world.users["sales"].pk, User.objects.get(username="left").pk
    assert events[:4] == [
        ("authn_login_success", None, sales),
        ("authn_login_fail", "password", sales),
        ("authn_login_fail", "unknown", None),
        ("authn_login_fail", "inactive", left),
    ]
    assert events[-1] == ("authn_login_lock", "password", sales)
    assert "my secret phrase" not in caplog.text
    assert caplog.records[0].address == "192.0.2.1"


@pytest.mark.parametrize(
    ("text", "name"),
    [("Straße", "strasse"), ("ﬁn", "fin"), ("A\u0301", "á"), ("x\u202ey", "xy"), ("", ""), ("\u200b", ""), ("Ǆ", "dž")],
)
def test_a_name_has_one_spelling(text: str, name: str) -> None:
    assert normalise_username(text) == name
    assert normalise_username(name) == name


def test_the_database_keeps_two_spellings_of_one_name_apart_from_nobody(world: World) -> None:
    with acting_as(Role.SUPERUSER):
        assert User.objects.create_user("New.Person\u200b", PASSWORD).username == "new.person"
    form = {"username": "NEW.person", "password": PASSWORD}
    assert Caller().post(LOGIN, form).status_code == 200
