"""Managers bind accounts to the identity provider; nobody binds themselves to more rights."""

from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import ExternalIdentity, Mail, User
from accounts.tests.people import newcomer, sent
from accounts.tests.provider import Provider
from accounts.tests.test_admin_accounts import USERS, form_of, stored
from conftest import API, Caller, World

HEADS = {"identity-TOTAL_FORMS": "1", "identity-MIN_NUM_FORMS": "0", "identity-MAX_NUM_FORMS": "1"}


def page_of(user: User) -> str:
    return f"{USERS}{user.pk}/change/"


def binding(user: User, issuer: str, subject: str, **changes: Any) -> dict[str, Any]:
    """The account's page as it is sent to bind the account."""
    new = {
        "identity-INITIAL_FORMS": "0",
        "identity-0-issuer": issuer,
        "identity-0-subject": subject,
        "identity-0-user": user.pk,
    }
    return form_of(user) | HEADS | new | changes


def taking_away(user: User, **changes: Any) -> dict[str, Any]:
    identity = ExternalIdentity.objects.get(user=user)
    old = {"identity-INITIAL_FORMS": "1", "identity-0-id": identity.pk, "identity-0-user": user.pk}
    return form_of(user) | HEADS | old | changes


def identities() -> list[tuple[int, str, str]]:
    return list(ExternalIdentity.objects.values_list("user_id", "issuer", "subject"))


@pytest.fixture
def bound(world: World, provider: Provider, visit: Any) -> User:
    user = world.users["sales"]
    response = visit("superuser").post(page_of(user), binding(user, provider.issuer, "subject-1"))
    assert response.status_code == 302, response.context["errors"]
    return user


@pytest.mark.parametrize("name", ["management", "superuser"])
def test_who_may_change_an_account_binds_it_while_it_is_nobodys_and_sets_it_free(
    name: str, world: World, provider: Provider, visit: Any, caplog: Any
) -> None:
    user, browser = newcomer(), visit(name)
    page = browser.get(page_of(user)).content.decode()
    assert f'<option value="{provider.issuer}" selected>' in page
    assert browser.post(page_of(user), binding(user, provider.issuer, "subject-1")).status_code == 302
    assert identities() == [(user.pk, provider.issuer, "subject-1")]
    assert not User.objects.defer(None).get(pk=user.pk).has_usable_password()
    page = browser.get(page_of(user)).content.decode()
    assert "subject-1" in page
    assert 'name="identity-0-subject"' not in page
    assert browser.post(page_of(user), taking_away(user, **{"identity-0-DELETE": "on"})).status_code == 302
    assert identities() == []
    told = [one.account for one in caplog.records if getattr(one, "fields", None) == ["identity"]]
    assert told == [user.pk, user.pk]


def test_an_account_is_saved_without_an_identity_too(world: World, provider: Provider, visit: Any) -> None:
    user = world.users["sales"]
    form = binding(user, provider.issuer, "", last_name="Renamed")
    assert visit("management").post(page_of(user), form).status_code == 302
    assert (stored("sales").last_name, identities()) == ("Renamed", [])


@pytest.mark.parametrize("issuer", ["https://evil.example", "", "epic-events-crm"])
def test_only_the_configured_issuer_is_taken(issuer: str, world: World, provider: Provider, visit: Any) -> None:
    user = world.users["sales"]
    page = visit("management").post(page_of(user), binding(user, issuer, "subject-1"))
    assert (page.status_code, identities()) == (200, [])


@pytest.mark.parametrize("subject", ["a b", "é", "x" * 256, "\x00", "a\nb"])
def test_what_is_no_subject_is_told_on_the_page(subject: str, world: World, provider: Provider, visit: Any) -> None:
    user = world.users["sales"]
    page = visit("superuser").post(page_of(user), binding(user, provider.issuer, subject))
    assert (page.status_code, identities()) == (200, [])


def test_an_identity_belongs_to_one_account(bound: User, world: World, provider: Provider, visit: Any) -> None:
    other = world.users["support"]
    page = visit("superuser").post(page_of(other), binding(other, provider.issuer, "subject-1"))
    assert b"This identity belongs to an account already." in page.content
    assert identities() == [(bound.pk, provider.issuer, "subject-1")]


def test_a_bound_identity_is_never_changed(bound: User, provider: Provider, visit: Any) -> None:
    forms = (
        taking_away(bound, **{"identity-0-subject": "other", "identity-0-issuer": provider.issuer}),
        binding(bound, provider.issuer, "other"),
    )
    for form in forms:
        assert visit("superuser").post(page_of(bound), form).status_code < 500
        assert identities() == [(bound.pk, provider.issuer, "subject-1")]


@pytest.mark.parametrize("name", ["sales", "auditor", "other_management", "partner"])
def test_a_manager_binds_no_identity_to_an_account_in_use(
    name: str, world: World, provider: Provider, visit: Any
) -> None:
    user, manager = world.users[name], visit("management")
    assert "a superuser binds it" in manager.get(page_of(user)).content.decode()
    page = manager.post(page_of(user), binding(user, provider.issuer, "mine"))
    assert (page.status_code, identities()) == (200, [])
    assert "This account is in use: a superuser binds it" in page.content.decode()
    assert User.objects.defer(None).get(pk=user.pk).has_usable_password()
    assert Caller(HTTP_AUTHORIZATION=f"Bearer {provider.token('mine')}").get(API + "users/me/").status_code == 401
    assert not Mail.objects.exists()


def test_binding_and_taking_away_are_told_to_the_owner_and_to_managers(
    world: World, provider: Provider, visit: Any
) -> None:
    user = world.users["sales"]
    call_command("bind_identity", "Sales", "subject-1")
    assert identities() == [(user.pk, provider.issuer, "subject-1")]
    told = {message.to[0]: str(message.body) for message in sent()}
    assert "bound to an identity" in told["sales@epic.example"]
    assert f"sales (account {user.pk}): bound to an identity, by a command" in told["management@epic.example"]
    visit("management").post(page_of(user), taking_away(user, **{"identity-0-DELETE": "on"}))
    told = {message.to[0]: str(message.body) for message in sent()}
    assert "was taken away" in told["sales@epic.example"]
    assert "its identity was taken away, by management" in told["other_management@epic.example"]
    assert "subject-1" not in "".join(told.values())


def test_the_command_names_what_it_cannot_bind(bound: User, provider: Provider, settings: Any) -> None:
    for username, subject, sentence in (
        ("nobody", "x", "There is no account"),
        ("support", "subject-1", "belongs to an account already"),
        ("support", "a b", "letters, digits and signs"),
    ):
        with pytest.raises(CommandError, match=sentence):
            call_command("bind_identity", username, subject)
    settings.OIDC_ISSUER = ""
    with pytest.raises(CommandError, match="set OIDC_ISSUER"):
        call_command("bind_identity", "support", "x")


def test_a_manager_never_becomes_a_superuser_by_an_identity(world: World, provider: Provider, visit: Any) -> None:
    boss, sales = world.users["superuser"], world.users["sales"]
    manager = visit("management")
    assert manager.post(page_of(boss), binding(boss, provider.issuer, "mine")).status_code == 403
    # Nor by a form of a colleague's page that names the superuser.
    manager.post(page_of(sales), binding(sales, provider.issuer, "mine", **{"identity-0-user": boss.pk}))
    assert not ExternalIdentity.objects.filter(user=boss).exists()
    assert visit("superuser").post(page_of(boss), binding(boss, provider.issuer, "boss")).status_code == 302
    assert manager.post(page_of(boss), taking_away(boss, **{"identity-0-DELETE": "on"})).status_code == 403
    assert ExternalIdentity.objects.filter(user=boss).exists()


def test_an_auditor_sees_that_it_is_there_and_changes_nothing(bound: User, provider: Provider, visit: Any) -> None:
    page = visit("auditor").get(page_of(bound)).content.decode()
    assert "subject-1" not in page
    assert f"*** at {provider.issuer}" in page
    assert "identity-0-DELETE" not in page
    form = taking_away(bound, **{"identity-0-DELETE": "on"})
    assert visit("auditor").post(page_of(bound), form).status_code == 403
    assert len(identities()) == 1


def test_a_role_that_a_manager_takes_away_is_gone_at_once(bound: User, provider: Provider, visit: Any) -> None:
    caller = Caller(HTTP_AUTHORIZATION=f"Bearer {provider.token()}")
    assert caller.get(API + "users/me/").json()["role"] == "sales"
    assert visit("management").post(page_of(bound), taking_away(bound, role="support")).status_code == 302
    assert caller.get(API + "users/me/").status_code == 401


def test_without_a_provider_there_is_nothing_to_bind(world: World, visit: Any) -> None:
    page = visit("management").get(page_of(world.users["sales"]))
    assert b"identity-TOTAL_FORMS" not in page.content
    assert b"identity-TOTAL_FORMS" not in visit("management").get(USERS + "add/").content
