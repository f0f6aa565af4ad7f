"""Accounts of the identity provider: bound, made on first sight, ended; no password, and no way to a superuser."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from access.database import acting_as
from access.policy import MATRIX_ROLES, Role
from access.refusals import refusal_of
from accounts.login import tokens
from accounts.models import ExternalIdentity, User, normalise_username
from accounts.passwords import links
from accounts.tests.people import newcomer
from accounts.tests.provider import Provider
from api.tests.test_at_once import wait_for_a_blocked_statement
from audit.models import Entry
from conftest import API, PASSWORD, PATIENCE, PRIVILEGE, Caller, Visitor, World, refused_with

USERS = API + "users/"
ME = USERS + "me/"
ELSEWHERE = "This account logs in with its identity provider: it has no password here."


def bearer(token: str) -> Caller:
    return Caller(HTTP_AUTHORIZATION=f"Bearer {token}")


def status(token: str) -> int:
    return int(bearer(token).get(ME).status_code)


def bind(user: User, provider: Provider, subject: str = "subject-1") -> None:
    with acting_as(Role.SUPERUSER):
        ExternalIdentity.objects.create(user=user, issuer=provider.issuer, subject=subject)


def stored(name: str) -> User:
    return User.objects.defer(None).get(username=name)


@pytest.fixture
def bound(world: World, provider: Provider) -> Provider:
    bind(world.users["sales"], provider)
    return provider


def refused(statement: str, role: str, *parameters: Any, user_id: int | None = None) -> str:
    """The rule by which PostgreSQL refuses this statement to this role."""
    with pytest.raises(DatabaseError) as caught, acting_as(role, user_id=user_id):
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
    refusal = refusal_of(caught.value)
    assert refusal
    return refusal.rule


def test_an_account_that_is_bound_has_no_password_any_more(world: World, provider: Provider, anonymous: Caller) -> None:
    ours = tokens.log_in(world.users["sales"])
    assert status(ours.access) == 200
    bind(world.users["sales"], provider)
    assert not stored("sales").has_usable_password()
    assert status(ours.access) == 401
    known = anonymous.post(USERS + "login/", {"username": "sales", "password": PASSWORD})
    unknown = anonymous.post(USERS + "login/", {"username": "nobody", "password": PASSWORD})
    assert known.status_code == unknown.status_code == 401
    assert known.json() | {"request_id": ""} == unknown.json() | {"request_id": ""}
    assert status(provider.token()) == 200


def test_nobody_gives_it_a_password(bound: Provider, world: World) -> None:
    change = {"old_password": PASSWORD, "new_password": "a different long phrase"}
    response = bearer(bound.token()).post(ME + "password/", change)
    problem = response.json()
    assert (response.status_code, problem["rule"], problem["detail"]) == (409, "user_password_elsewhere", ELSEWHERE)
    user = world.users["sales"]
    rule = refused("UPDATE accounts_user SET password = 'argon2$x' WHERE id = %s", Role.SUPERUSER, user.pk)
    assert rule == "user_password_elsewhere"
    with pytest.raises(DatabaseError, match=ELSEWHERE), transaction.atomic():
        user.set_password("a different long phrase")
        user.save(update_fields=["password"])
    with acting_as(Role.SUPERUSER):
        User.objects.filter(pk=user.pk).update(password="!another", first_name="Sal")
        ExternalIdentity.objects.all().delete()
        User.objects.filter(pk=user.pk).update(password="argon2$x")


def test_logging_out_everywhere_ends_what_the_provider_issued_until_then(bound: Provider, world: World) -> None:
    old, ours = bound.token(), tokens.log_in(world.users["support"])
    bind(world.users["support"], bound, "subject-2")
    others = bound.token("subject-2")
    assert bearer(old).post(USERS + "logout-all/").status_code == 204
    assert [status(old), status(others), status(ours.access)] == [401, 200, 401]
    assert status(bound.token(iat=int(time.time()) + 2)) == 200


@pytest.mark.parametrize("name", ["sales", "support", "management", "auditor", "partner", "superuser"])
def test_every_role_may_log_out_everywhere_and_use_its_own_pages(name: str, world: World, provider: Provider) -> None:
    bind(world.users[name], provider)
    caller = bearer(provider.token())
    assert caller.get(ME).json()["username"] == name
    assert caller.patch(ME, {"first_name": "New"}).json()["first_name"] == "New"
    assert caller.get(ME + "sessions/").json()["results"] == []
    assert caller.delete(f"{ME}sessions/0f8fad5b-d9cb-469f-a165-70867728950e/").status_code == 404
    assert caller.post(USERS + "logout/", {"refresh": provider.token()}).status_code == 401
    assert caller.post(USERS + "logout-all/").status_code == 204
    assert caller.get(ME).status_code == 401


def test_the_logins_of_ones_account_are_listed_and_none_is_this_one(bound: Provider, world: World) -> None:
    pair = tokens.log_in(User.objects.defer(None).get(username="sales"), user_agent="Phone")
    (row,) = bearer(bound.token()).get(ME + "sessions/").json()["results"]
    assert (row["user_agent"], row["is_current"]) == ("Phone", False)
    assert bearer(bound.token()).post(USERS + "logout/", {"refresh": pair.refresh}).status_code == 204
    assert bearer(bound.token()).get(ME + "sessions/").json()["results"] == []


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": "support"}, {"is_superuser": True}])
def test_a_change_of_the_account_ends_its_tokens_on_the_next_request(
    change: dict[str, Any], bound: Provider, world: World
) -> None:
    token, newer = bound.token(), bound.token(iat=int(time.time()) + 5)
    assert status(token) == 200
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="sales").update(**change)
    assert status(token) == 401
    assert status(newer) == (401 if "is_active" in change else 200)
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="sales").update(is_active=True)
    assert status(token) == 401, "it came to life again"
    assert status(bound.token(iat=int(time.time()) + 5)) == 200


def test_a_new_name_ends_no_token(bound: Provider) -> None:
    token = bound.token()
    assert bearer(token).patch(ME, {"first_name": "Sal"}).status_code == 200
    assert status(token) == 200


def test_tokens_that_were_ended_stay_ended(bound: Provider, world: World) -> None:
    token, user = bound.token(), world.users["sales"]
    assert bearer(token).post(USERS + "logout-all/").status_code == 204
    for value in (None, "2020-01-01T00:00:00Z"):
        with refused_with(PRIVILEGE), acting_as(Role.SALES, user_id=user.pk):
            ExternalIdentity.objects.filter(user=user).update(not_before=value)
        assert status(token) == 401


def test_an_account_that_is_deleted_or_set_free_has_no_way_in(bound: Provider, world: World) -> None:
    bind(world.users["unlinked"], bound, "subject-2")
    assert status(bound.token("subject-2")) == 200
    with acting_as(Role.SUPERUSER):
        world.users["unlinked"].delete()
        ExternalIdentity.objects.filter(user=world.users["sales"]).delete()
    assert [status(bound.token("subject-2")), status(bound.token())] == [401, 401]


def test_a_token_that_was_ended_stays_ended_when_the_identity_is_bound_again(bound: Provider, world: World) -> None:
    user, token = world.users["sales"], bound.token(iat=int(time.time()) - 60)
    assert bearer(token).post(USERS + "logout-all/").status_code == 204
    with acting_as(Role.SUPERUSER):
        ExternalIdentity.objects.filter(user=user).delete()
    bind(user, bound)
    assert [status(token), status(bound.token(iat=int(time.time()) + 1))] == [401, 200]


@pytest.mark.parametrize("how", ["set free", "deleted"])
def test_a_token_that_was_ended_opens_no_other_account_of_its_identity(how: str, bound: Provider, world: World) -> None:
    bind(world.users["unlinked"], bound, "subject-2")
    token = bound.token("subject-2", iat=int(time.time()) - 60)
    assert bearer(token).post(USERS + "logout-all/").status_code == 204
    with acting_as(Role.SUPERUSER):
        if how == "deleted":
            world.users["unlinked"].delete()
        else:
            ExternalIdentity.objects.filter(user=world.users["unlinked"]).delete()
    bind(newcomer(), bound, "subject-2")
    assert [status(token), status(bound.token("subject-2", iat=int(time.time()) + 1))] == [401, 200]


def test_an_invitation_opens_no_account_that_an_identity_has_claimed(world: World, provider: Provider) -> None:
    """Its maker could have kept the link, and become the colleague once the identity is taken away again."""
    carla = newcomer("carla")
    link = links.INVITATION.url(User.objects.defer(None).get(pk=carla.pk)).removeprefix("http://127.0.0.1:8000")
    assert Visitor().get(link).status_code == 302
    bind(carla, provider, "carla")
    assert Visitor().get(link).status_code == 404
    with acting_as(Role.SUPERUSER):
        ExternalIdentity.objects.filter(user=carla).delete()
    assert Visitor().get(link).status_code == 404
    late = links.INVITATION.make_token(User.objects.defer(None).get(pk=carla.pk))
    assert not links.is_valid(User.objects.defer(None).get(pk=carla.pk), late), "it is somebody's"


def test_a_password_that_is_set_while_the_account_is_bound_does_not_stay(
    committed_world: World, provider: Provider, migrator: Any
) -> None:
    user = committed_world.users["sales"]
    with acting_as(Role.SUPERUSER):
        User.objects.filter(pk=user.pk).update(password="!unusable already")

    def set_password() -> str:
        try:
            User.objects.filter(pk=user.pk).update(password="argon2$x")
        except DatabaseError as error:
            return str(error)
        finally:
            connection.close()
        return ""

    migrator.autocommit = False
    with migrator.cursor() as cursor, ThreadPoolExecutor() as pool:
        cursor.execute(INSERT, [user.pk, "subject-1"])
        setting = pool.submit(set_password)
        wait_for_a_blocked_statement(cursor)
        migrator.commit()
        assert ELSEWHERE in setting.result(timeout=PATIENCE)
    assert not stored("sales").has_usable_password()


INSERT = "INSERT INTO accounts_externalidentity (user_id, issuer, subject) VALUES (%s, 'https://provider.example', %s)"


def test_raw_sql_breaks_no_rule_of_identities(bound: Provider, world: World) -> None:
    boss, support, sales = (world.users[name] for name in ("superuser", "support", "sales"))
    assert refused(INSERT, Role.MANAGEMENT, boss.pk, "mine") == "user_superuser_guarded"
    with acting_as(Role.SUPERUSER):
        User.objects.filter(pk=boss.pk).update(password="!unusable already")
    assert refused(INSERT, Role.MANAGEMENT, boss.pk, "mine") == "user_superuser_guarded"
    bind(boss, bound, "subject-0")
    delete = "DELETE FROM accounts_externalidentity WHERE user_id = %s"
    assert refused(delete, Role.MANAGEMENT, boss.pk) == "user_superuser_guarded"
    for subject in ("", "a b", "é", "a\nb"):
        assert refused(INSERT, Role.SUPERUSER, support.pk, subject) == "external_identity_subject_ascii"
    assert refused(INSERT, Role.MANAGEMENT, support.pk, "mine") == "identity_of_claimed"
    twice = INSERT.replace("https://provider.example", bound.issuer)
    assert refused(twice, Role.SUPERUSER, support.pk, "subject-1") == "external_identity_unique"
    for role in MATRIX_ROLES:
        move = "UPDATE accounts_externalidentity SET user_id = %s WHERE user_id = %s"
        assert refused(move, role, support.pk, sales.pk) == "database"
    for role in (Role.SALES, Role.SUPPORT, Role.EXTERNAL, Role.AUDITOR):
        assert refused(INSERT, role, support.pk, "x") == "database"
        assert refused(delete, role, sales.pk) == "database"
        assert refused("SELECT enrol_identity('i', 's')", role) == "database"
        if role != Role.AUDITOR:
            assert refused("SELECT subject FROM accounts_externalidentity", role) == "database"


def test_even_the_migrator_moves_no_identity(committed_world: World, provider: Provider, migrator: Any) -> None:
    bind(committed_world.users["support"], provider, "subject-7")
    with migrator.cursor() as cursor, pytest.raises(Exception, match="An identity stays as it is"):
        cursor.execute("UPDATE accounts_externalidentity SET subject = 'other' WHERE subject = 'subject-7'")


@pytest.fixture
def open_door(provider: Provider, settings: Any) -> Provider:
    settings.OIDC_CREATE_ACCOUNTS = True
    return provider


def test_who_is_unknown_gets_no_account_unless_it_was_asked_for(world: World, provider: Provider) -> None:
    assert status(provider.token("newcomer")) == 401
    assert not ExternalIdentity.objects.exists()


def test_a_newcomer_gets_an_external_account_without_password(
    world: World, open_door: Provider, caplog: Any, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True), caplog.at_level("INFO"):
        me = bearer(open_door.token("Auth0|New.Comer")).get(ME).json()
    assert (me["role"], me["is_superuser"], me["email"]) == ("external", False, "")
    assert re.fullmatch(r"ext-[0-9a-f]{16}", me["username"])
    user = stored(me["username"])
    user.clean_fields(exclude=["password"])
    assert user.username == normalise_username(user.username)
    assert not user.has_usable_password()
    assert user.is_active
    assert not user.is_staff
    with acting_as(Role.AUDITOR):
        made, claimed = Entry.objects.about(user).order_by("pk")
    assert (made.operation, claimed.operation, claimed.new) == ("insert", "update", {"is_claimed": True})
    for entry in (made, claimed):
        assert (entry.channel, entry.role, entry.actor_id) == ("api", "eecrm_app", None)
        assert entry.request_id == made.request_id != ""
    assert bearer(open_door.token("Auth0|New.Comer")).get(ME).json() == me
    (event,) = (record for record in caplog.records if record.name == "eecrm.security")
    assert (event.event, event.account) == ("user_created", user.pk)


@pytest.mark.parametrize(
    "subject", ["superuser", "oc-manager", "!~", "-", "x" * 255, "a.b@c+d_e", "'); DROP TABLE x;--".replace(" ", "")]
)
def test_whatever_the_subject_the_username_is_a_good_one_and_nobody_elses(
    subject: str, world: World, open_door: Provider
) -> None:
    me = bearer(open_door.token(subject)).get(ME).json()
    assert me["role"] == "external"
    assert me["username"].startswith("ext-")
    user = stored(me["username"])
    user.clean_fields(exclude=["password"])
    assert user.username == normalise_username(user.username)


def test_subjects_that_read_alike_are_different_people(world: World, open_door: Provider) -> None:
    names = {bearer(open_door.token(subject)).get(ME).json()["username"] for subject in ("a.b", "A.B", "a-b", "a--b")}
    assert len(names) == 4


def test_a_newcomer_whose_request_is_refused_leaves_nothing_behind(
    world: World, open_door: Provider, django_capture_on_commit_callbacks: Any, caplog: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True), caplog.at_level("INFO"):
        assert bearer(open_door.token("newcomer")).post(API + "clients/", {}).status_code == 403
    assert "user_created" not in caplog.messages
    assert not ExternalIdentity.objects.exists()
    assert status(open_door.token("newcomer")) == 200


@pytest.mark.parametrize(
    "how", ["deactivated", "ended", "set free", "deactivated and set free", "renamed and set free"]
)
def test_an_open_door_lets_nobody_back_in(how: str, world: World, open_door: Provider) -> None:
    token = open_door.token("newcomer")
    name = bearer(token).get(ME).json()["username"]
    if how == "ended":
        bearer(token).post(USERS + "logout-all/")
    with acting_as(Role.SUPERUSER):
        if "deactivated" in how:
            User.objects.filter(username=name).update(is_active=False)
        if "renamed" in how:
            User.objects.filter(username=name).update(username="renamed")
        if "set free" in how:
            ExternalIdentity.objects.all().delete()
    assert status(token) == 401
    assert User.objects.filter(username__in=(name, "renamed")).count() == 1
    assert not User.objects.filter(username__startswith="ext-").exclude(username=name).exists()


def test_the_login_role_makes_no_other_account_than_that(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT enrol_identity('https://provider.example', 'subject-1')")
        (key,) = cursor.fetchone()
        cursor.execute("SELECT enrol_identity('https://provider.example', 'subject-1')")
        assert cursor.fetchone() == (None,)
    user = User.objects.get(pk=key)
    assert (user.role, user.is_superuser, user.is_active) == (Role.EXTERNAL, False, True)


def test_a_newcomer_who_comes_many_times_at_once_is_one(committed_world: World, open_door: Provider) -> None:
    def come(number: int) -> Any:
        try:
            return bearer(open_door.token("newcomer", jti=f"j{number}", iat=int(time.time()))).get(ME)
        finally:
            connection.close()

    assert come(0).status_code == 200  # the keys are there from now on
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username__startswith="ext-").delete()
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(come, range(32)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["id"] for answer in answers}) == 1
