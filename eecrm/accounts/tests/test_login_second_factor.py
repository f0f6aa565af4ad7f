"""The second factor over the API: `otp` of `users/login/`."""

from typing import Any

import pytest
from django_otp.plugins.otp_static.models import StaticToken

from access.database import acting_as
from access.policy import Role
from accounts.admin_login import second_factor
from accounts.models import AuthenticatorApp, TokenSession, User
from accounts.tests.conftest import give_phone
from accounts.tests.test_second_factor import after_the_password
from api.requests import limits
from audit.models import Entry
from conftest import API, CAST, PASSWORD, Caller, World

LOGIN, ME = API + "users/login/", API + "users/me/"
STAFF = ("management", "auditor", "superuser")


def log_in(name: str, password: str = PASSWORD, *, address: str = "192.0.2.1", **more: Any) -> Any:
    return Caller(REMOTE_ADDR=address).post(LOGIN, {"username": name, "password": password} | more)


def code_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def is_logged_in(answer: Any) -> bool:
    assert answer.status_code == 200, answer.content
    return Caller(HTTP_AUTHORIZATION=f"Bearer {answer.json()['access']}").get(ME).status_code == 200


@pytest.mark.parametrize("mode", ["required", "optional"])
@pytest.mark.parametrize("name", ["management", "auditor", "superuser", "sales"])
def test_an_account_with_a_second_factor_logs_in_with_a_code(
    name: str, mode: str, world: World, phone: Any, settings: Any
) -> None:
    settings.SECOND_FACTOR = mode
    app = phone(name)
    missing = log_in(name)
    assert code_of(missing) == (401, "otp_required")
    assert missing["WWW-Authenticate"] == 'Bearer realm="api"'
    assert not TokenSession.objects.exists()
    assert is_logged_in(log_in(name, otp=f" {app.code()[:3]} {app.code()[3:]} "))


@pytest.mark.parametrize("mode", ["required", "optional"])
@pytest.mark.parametrize("name", [*CAST, "superuser"])
def test_an_account_without_one_is_asked_for_it_where_its_role_needs_one(
    name: str, mode: str, world: World, settings: Any
) -> None:
    settings.SECOND_FACTOR = mode
    is_staff = world.users[name].is_staff
    for more in ({}, {"otp": "123456"}):
        answer = log_in(name, **more)
        if is_staff and mode == "required":
            assert code_of(answer) == (401, "second_factor_missing")
            assert "admin site" in answer.json()["detail"]
        else:
            assert is_logged_in(answer)


def test_a_code_is_good_once_wherever_it_is_used(world: World, phone: Any) -> None:
    app = phone("management")
    code = app.code()
    assert is_logged_in(log_in("management", otp=code))
    page = after_the_password("management").post("/hidden-admin/second-factor/", {"code": code})
    assert b"was used before" in page.content
    app.wait_for_pause()
    assert code_of(log_in("management", otp=code)) == (401, "otp_invalid")


def test_a_recovery_code_logs_in_once_and_the_trail_names_its_owner(world: World, phone: Any) -> None:
    app, account = phone("management"), world.users["management"]
    answer = log_in("management", otp=app.codes[0].lower())
    assert is_logged_in(answer)
    assert StaticToken.objects.count() == 9
    assert code_of(log_in("management", otp=app.codes[0])) == (401, "otp_invalid")
    with acting_as(Role.AUDITOR):
        entry = Entry.objects.get(table_name="otp_static_statictoken", operation="delete")
    assert (entry.actor_id, entry.channel, entry.request_id) == (account.pk, "api", answer["X-Request-ID"])


@pytest.mark.parametrize(
    "spelling",
    [
        "{}-{}-{}-{}", "{}–{}—{}‑{}", "{}.{}.{}.{}", "{} {}\u202f{}\u2009{}", "{}\u00ad{}\u200b{}\ufeff{}", "\u200e{} · {} − {}_{}\u3164", "({}{}{}{})",
    ],
)  # fmt: skip
def test_a_code_may_have_any_signs_between_its_letters(spelling: str, world: World, phone: Any) -> None:
    app = phone("management")
    recovery = app.codes[0].lower()
    assert is_logged_in(log_in("management", otp=spelling.format(*(recovery[at : at + 4] for at in range(0, 16, 4)))))
    code = app.code().translate({ord("0") + digit: ord("０") + digit for digit in range(10)})  # as in Japanese text
    assert is_logged_in(log_in("management", otp=spelling.format(code[:2], code[2:4], code[4:], "")))


@pytest.mark.parametrize(
    ("steps", "is_told"), [(-131, False), (-120, True), (-2, True), (0, False), (2, False), (120, False)]
)
def test_a_code_of_an_earlier_minute_is_told_and_none_of_a_later_one(
    steps: int, is_told: bool, world: World, phone: Any, events: Any
) -> None:
    """A caller who guessed the code of a later minute could wait for that minute."""
    app = phone("management")
    AuthenticatorApp.objects.update(last_t=2**40)  # each code that the app shows now is refused
    answer = log_in("management", otp=app.code(steps=steps))
    assert code_of(answer) == (401, "otp_invalid")
    assert (answer.json()["detail"] == second_factor.OTHER_MINUTE) == is_told
    assert app.device.throttling_failure_count == 1
    assert "authn_login_fail factor=totp failures=1" in events("factor", "failures")


@pytest.mark.parametrize(
    "otp", ["12345", "abcdef", "１２３４５６", "0" * 40, "-12345", "1e5", "\u200b123456", "A" * 16]
)
def test_what_is_no_code_is_a_401_in_a_sentence(otp: str, world: World, phone: Any) -> None:
    phone("management")
    answer = log_in("management", otp=otp)
    assert code_of(answer) == (401, "otp_invalid")
    assert answer.json()["detail"].endswith(".")


@pytest.mark.parametrize("otp", ["", "   ", "x" * 41, True, None, [], {}, "\x00"])
def test_a_malformed_code_is_a_400_for_everybody_alike(otp: Any, world: World, phone: Any) -> None:
    phone("management")
    for name, password in (("management", PASSWORD), ("management", "wrong"), ("nobody", PASSWORD)):
        answer = log_in(name, password, otp=otp)
        assert answer.status_code == 400
        assert [error["pointer"] for error in answer.json()["errors"]] == ["#/otp"]


@pytest.mark.parametrize("more", [{}, {"otp": "right"}, {"otp": "000000"}])
def test_a_wrong_password_is_answered_alike_with_and_without_a_second_factor(
    more: dict[str, str], world: World, phone: Any
) -> None:
    app = phone("management")
    if more.get("otp") == "right":
        more = {"otp": app.code()}
    answers = [log_in(name, "wrong", **more) for name in ("management", "other_management", "nobody")]
    assert {code_of(answer) for answer in answers} == {(401, "login_failed")}
    assert len({answer.json()["detail"] for answer in answers}) == 1
    assert app.device.throttling_failure_count == 0, "a code is looked at after a right password only"


def test_wrong_codes_count_as_wrong_passwords_do(committed_world: World, settings: Any) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"login_failed_here": (4, 86_400)}
    app = give_phone(committed_world.users["management"])
    for _ in range(4):
        assert code_of(log_in("management", otp=app.wrong_code())) == (401, "otp_invalid")
        app.wait()
    # It rests now, and tells nobody whether the password was right.
    for password in (PASSWORD, "wrong"):
        for more in ({}, {"otp": app.code()}):
            assert code_of(log_in("management", password, **more)) == (401, "login_failed")
    assert is_logged_in(log_in("management", address="198.51.100.7", otp=app.code()))


def test_a_question_for_the_code_is_no_failure(committed_world: World, settings: Any) -> None:
    app = give_phone(committed_world.users["management"])
    for _ in range(25):
        assert code_of(log_in("management")) == (401, "otp_required")
    here = limits.limit("login_failed_here")
    assert limits.take((here, "management 192.0.2.1", here.capacity))[0].granted == here.capacity
    limits.take((here, "management 192.0.2.1", -here.capacity))
    assert is_logged_in(log_in("management", otp=app.code()))


def test_wrong_codes_have_to_wait_as_on_the_admin_site(world: World, phone: Any) -> None:
    app = phone("management")
    assert code_of(log_in("management", otp=app.wrong_code())) == (401, "otp_invalid")
    waiting = log_in("management", otp=app.code())
    assert waiting.json()["detail"] == "Too many wrong codes: try again in 1 second."
    AuthenticatorApp.objects.update(throttling_failure_count=5_000)
    assert "try again in 900 seconds" in log_in("management", otp=app.code()).json()["detail"]
    assert is_logged_in(log_in("management", otp=app.codes[0])), "recovery codes have a limit of their own"


def test_a_login_without_a_second_factor_still_costs_three_statements_and_one_with_it_a_few_more(
    committed_world: World, django_assert_num_queries: Any, django_assert_max_num_queries: Any
) -> None:
    with django_assert_num_queries(3):
        assert log_in("management").status_code == 200
    app = give_phone(committed_world.users["management"])
    with django_assert_max_num_queries(12):
        assert log_in("management", otp=app.code()).status_code == 200


def test_an_inactive_account_is_told_nothing_of_its_second_factor(world: World, phone: Any) -> None:
    app = phone("management")
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="management").update(is_active=False)
    for more in ({}, {"otp": app.code()}):
        assert code_of(log_in("management", **more)) == (401, "login_failed")
