"""What a password must be, and that nobody sets another person's: the rules, and PostgreSQL behind them."""

from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.password_validation import password_validators_help_texts, validate_password
from django.core.exceptions import ValidationError
from django.db import DatabaseError

from access.database import acting_as
from access.policy import Role
from access.tests.test_database_roles import REFUSED, run
from accounts.models import LinkRequest, Mail, User
from accounts.passwords.validators import MAX_BYTES
from conftest import API, PASSWORD, Caller, Visitor, World

TOO_LONG = "x" * (MAX_BYTES + 1)


def codes(password: str, user: User | None = None) -> set[str]:
    try:
        validate_password(password, user)
    except ValidationError as error:
        return {fault.code for fault in error.error_list}
    return set()


def person(**fields: Any) -> User:
    return User(
        **{"username": "jdubois", "first_name": "Jeanne", "last_name": "Dubois-Vidal", "email": "vidal@x.example"}
        | fields
    )


@pytest.mark.parametrize(
    ("password", "faults"),
    [
        ("four lamps go", set()), ("thirteen lam", set()), ("eleven lamp", {"password_too_short"}), ("", {"password_too_short", "password_in_context"}),
        ("735190846201735", set()), ("   lantern   ", set()), ("雪月花雪月花雪月花鳥風月", set()), ("é" * 512, set()), ("é" * 513, {"password_too_long"}),
        ("password1234", {"password_too_common"}), ("PASSWORD1234", {"password_too_common"}),
        ("Epic-Events-2026!", {"password_in_context"}), ("epicEPICevents1234567", {"password_in_context"}), ("eecrmcrmcrm-2026", {"password_in_context"}),
        ("ｅｐｉｃ ｅｖｅｎｔｓ ｃｒｍ", {"password_in_context"}), ("Epic-Events-8 remain", set()),
        ("jeanne dubois", {"password_in_context", "password_too_similar"}), ("vidal-dubois-1", {"password_in_context", "password_too_similar"}),
        ("jeanne-123456", {"password_in_context"}), ("jeanne-12345678", set()),
    ],
)  # fmt: skip
def test_each_rule_has_its_word(password: str, faults: set[str]) -> None:
    assert codes(password, person()) == faults


def test_an_initial_is_no_name_to_leave_out() -> None:
    assert codes("eeeeeeee lamp", person(first_name="E", last_name="L", username="x", email="")) == set()


def test_without_an_account_our_own_words_are_refused_all_the_same() -> None:
    assert codes("Epic-Events-2026!") == {"password_in_context"}
    assert codes("four lamps go") == set()


def test_the_rules_are_told_in_sentences() -> None:
    assert all(text.endswith(".") and text[0].isupper() for text in password_validators_help_texts())


@pytest.mark.parametrize(("name", "least"), [("sales", 12), ("support", 12), ("partner", 12), ("management", 15), ("auditor", 15), ("superuser", 15)])  # fmt: skip
def test_who_opens_the_admin_site_with_it_alone_needs_a_longer_one(name: str, least: int, world: World) -> None:
    lamps = "four lamps go out"
    assert codes(lamps[: least - 1], world.users[name]) == {"password_too_short"}
    assert codes(lamps[:least], world.users[name]) == set()


@pytest.mark.parametrize("confirmed", [True, False])
def test_a_confirmed_second_factor_counts(
    confirmed: bool, committed_world: World, migrator: Any, anonymous_api: Any
) -> None:
    manager = committed_world.users["management"]
    with migrator.cursor() as cursor:
        cursor.execute(
            "INSERT INTO otp_totp_totpdevice (user_id, name, confirmed, key, step, t0, digits, tolerance, drift, last_t,"
            " throttling_failure_count) VALUES (%s, 'phone', %s, %s, 30, 0, 6, 1, 0, -1, 0)",
            [manager.pk, confirmed, "00" * 20],
        )
    for role in (None, Role.AUDITOR, Role.SUPERUSER):
        if role is None:
            assert codes("four lamps go", manager) == (set() if confirmed else {"password_too_short"})
            continue
        with acting_as(role):
            assert codes("four lamps go", manager) == (set() if confirmed else {"password_too_short"})
            assert run("SELECT current_user::text") == [(f"eecrm_{role.value}",)], "the role is entered again"


@pytest.fixture
def anonymous_api() -> Caller:
    return Caller()


def test_a_hash_costs_what_owasp_recommends(production_hashing: None) -> None:
    assert make_password(PASSWORD).startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")


# Too long is refused before anything is hashed


@pytest.fixture
def no_hashing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("something was hashed")

    monkeypatch.setattr("django.contrib.auth.hashers.Argon2PasswordHasher.encode", fail)
    monkeypatch.setattr("django.contrib.auth.hashers.Argon2PasswordHasher.verify", fail)


@pytest.mark.parametrize("name", ["sales", "nobody"])
def test_logging_in_with_a_kilobyte_hashes_nothing(name: str, world: World, no_hashing: None) -> None:
    assert Caller().post(API + "users/login/", {"username": name, "password": "é" * 513}).status_code == 400
    page = Visitor().post("/hidden-admin/login/", {"username": name, "password": TOO_LONG})
    assert b"Please enter the correct" in page.content
    assert authenticate(None, username=name, password=TOO_LONG) is None


def test_no_password_of_a_kilobyte_is_ever_stored_or_checked(world: World) -> None:
    stored = make_password(PASSWORD)
    for attempt in (lambda: make_password(TOO_LONG), lambda: world.users["sales"].set_password(TOO_LONG)):
        with pytest.raises(ValidationError, match="1,024 bytes"):
            attempt()
    assert check_password(TOO_LONG, stored) is False
    assert check_password(PASSWORD, stored)


# Nobody sets another person's password: in the database too


@pytest.mark.parametrize("role", ["external", "sales", "support", "management", "auditor"])
def test_no_role_of_people_writes_a_password(role: str, world: World) -> None:
    for whom in ("sales", "management", "superuser"):
        assert run(f"UPDATE accounts_user SET password = 'x' WHERE username = '{whom}'", role) == REFUSED


def insert(password: str) -> str:
    return f"INSERT INTO accounts_user (username, password, is_superuser, first_name, last_name, email, job_title, mobile) VALUES ('n', '{password}', false, '', '', '', '', '')"


def test_a_manager_makes_accounts_without_a_password_alone(world: World) -> None:
    assert run(insert("argon2$x"), "management") == "user_password_by_link"
    assert run(insert(""), "management") == "user_password_by_link"
    assert run(insert("!x"), "management") == 1
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="n").delete()
    assert run(insert("argon2$x"), "superuser") == 1


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO accounts_mail (kind, user_id, address) VALUES ('password_reset', {superuser}, 'mine@evil.example')",
        "UPDATE accounts_mail SET address = 'mine@evil.example'", "UPDATE accounts_mail SET user_id = {superuser}",
        "UPDATE accounts_mail SET kind = 'password_reset'",
    ],
)  # fmt: skip
def test_a_manager_chooses_nowhere_else_for_a_link_to_go(statement: str, world: World) -> None:
    Mail.objects.create(kind="invitation", user=world.users["sales"])
    assert run(statement.format(superuser=world.users["superuser"].pk), "management") == "mail_to_its_account"
    assert run("UPDATE accounts_mail SET attempts = 0", "management") == 1


@pytest.mark.parametrize("role", ["management", "auditor", "superuser", "sales"])
def test_what_people_typed_is_the_login_roles_alone(role: str, world: World) -> None:
    request = LinkRequest.objects.create(typed="my password, in the wrong field")
    for column in ("typed", "id", "*"):
        assert run(f"SELECT {column} FROM accounts_linkrequest", role) == REFUSED
    assert run("INSERT INTO accounts_linkrequest (typed) VALUES ('superuser')", role) == REFUSED
    assert run("UPDATE accounts_linkrequest SET typed = 'superuser'", role) == REFUSED
    assert run("DELETE FROM accounts_linkrequest", role) == REFUSED
    assert request.typed not in str(request)


def test_a_mail_goes_to_an_account(world: World) -> None:
    for address in ("", "x@x.example"):
        with pytest.raises(DatabaseError, match="user_id"), acting_as(Role.SUPERUSER):
            Mail.objects.create(kind="password_reset", address=address)
