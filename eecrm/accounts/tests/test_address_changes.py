"""An address that somebody else enters for an account in use: it waits for its owner, or for a second manager."""

from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, transaction
from django.utils import timezone

from access.database import acting_as, enter
from access.policy import Role
from accounts.addresses import links
from accounts.models import AddressChange, ExternalIdentity, Mail, User
from accounts.outbox.purging import purge_expired
from accounts.tests.people import account, link_to, newcomer, run_import, sent
from audit.models import Entry
from audit.tests.site_forms import Tab
from conftest import API, PASSWORD, PRIVILEGE, Caller, Visitor, World, refused_with

USERS = "/hidden-admin/accounts/user/"
OLD, NEW = "sales@epic.example", "elsewhere@epic.example"
CHOSEN = {"new_password1": "seven quiet lanterns", "new_password2": "seven quiet lanterns"}


def page_of(user: User, page: str = "change") -> str:
    return f"{USERS}{user.pk}/{page}/"


def type_address(browser: Visitor, user: User, address: str = NEW) -> Any:
    form = {"username": user.username, "role": user.role, "is_active": "on", "email": address}
    return browser.post(page_of(user), form, follow=True)


def by_the_site(world: World, visit: Any, tmp_path: Path, name: str = "sales") -> None:
    page = type_address(visit("management"), world.users[name])
    assert "waits until its owner confirms it" in page.content.decode()


def by_an_import(world: World, visit: Any, tmp_path: Path, name: str = "sales") -> None:
    said = run_import(tmp_path / "list.csv", f"username,email\n{name},{NEW}\n")
    assert f"→ '{NEW}' (once it is confirmed)" in said


def by_sql(world: World, visit: Any, tmp_path: Path, name: str = "sales") -> None:
    with acting_as(Role.MANAGEMENT, user_id=world.users["management"].pk):
        User.objects.filter(username=name).update(email=NEW)


def by_a_superuser(world: World, visit: Any, tmp_path: Path, name: str = "sales") -> None:
    with acting_as(Role.SUPERUSER, user_id=world.users["superuser"].pk):
        User.objects.filter(username=name).update(email=NEW)


WAYS = [by_the_site, by_an_import, by_sql, by_a_superuser]


def decide(browser: Visitor, user: User, what: str = "confirm") -> str:
    """Where the page leads, and what it says there."""
    change = AddressChange.objects.filter(user=user).first()
    page = browser.post(page_of(user, "address"), {"change": change.mark if change else "1", what: "1"}, follow=True)
    return page.content.decode()


@pytest.mark.parametrize("name", ["sales", "auditor", "other_management", "partner"])
@pytest.mark.parametrize("way", WAYS)
def test_a_manager_becomes_nobody_by_another_address(
    way: Any, name: str, world: World, visit: Any, tmp_path: Path
) -> None:
    """Change the address, confirm it in one's own mailbox, have a link to a new password sent there: each is refused."""
    user = world.users[name]
    way(world, visit, tmp_path, name)
    assert account(name).email == f"{name}@epic.example"
    messages = sent()
    assert [f"{name}@epic.example"] in [message.to for message in messages]

    thief, link = Visitor(), link_to(NEW, messages)
    assert b'name="password"' in thief.get(link).content
    for password in ("", "a wrong passphrase"):
        assert thief.post(link, {"password": password}).status_code == 200
    if way in (by_the_site, by_sql):  # else somebody else asked, and this manager is the second one
        assert "Another manager than the one who asked" in decide(visit("management"), user)
    else:
        assert "a day after it was asked for" in decide(visit("management"), user)
    for typed in (name, NEW):
        Visitor().post("/account/forgotten/", {"account": typed})
    for action in ("send_reset", "send_invitation"):
        visit("management").confirm(USERS, {"action": action, "_selected_action": [user.pk]})
    assert [NEW] not in [message.to for message in sent()]
    assert Caller().post(API + "users/login/", {"username": name, "password": PASSWORD}).status_code == 200


@pytest.mark.parametrize("way", WAYS)
def test_its_owner_confirms_it_with_link_and_password(way: Any, world: World, visit: Any, tmp_path: Path) -> None:
    way(world, visit, tmp_path)
    link, browser = link_to(NEW, sent()), Visitor()
    assert browser.post(link, {"password": PASSWORD}).status_code == 302
    assert (account("sales").email, AddressChange.objects.exists()) == (NEW, False)
    assert browser.post(link, {"password": PASSWORD}).status_code == 404


def test_tries_of_the_password_on_the_page_are_counted(world: World, visit: Any, tmp_path: Path, settings: Any) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"address_link": (2, 86_400)}
    by_the_site(world, visit, tmp_path)
    link = link_to(NEW, sent())
    for _ in range(2):
        assert b"not the password" in Visitor().post(link, {"password": "a wrong passphrase"}).content
    assert b"Too many requests" in Visitor().post(link, {"password": PASSWORD}).content
    assert account("sales").email == OLD


def test_nobody_is_their_own_second_manager(world: World, visit: Any, tmp_path: Path) -> None:
    by_the_site(world, visit, tmp_path, "other_management")
    for name in ("management", "other_management"):
        browser = visit(name)
        assert (
            "Confirm the new address"
            not in browser.get(page_of(world.users["other_management"], "address")).content.decode()
        )
        assert "Another manager than the one who asked" in decide(browser, world.users["other_management"])
    assert account("other_management").email == "other_management@epic.example"


@pytest.mark.parametrize("name", ["sales", "support", "partner", "auditor"])
def test_no_other_role_confirms_an_address(name: str, world: World, visit: Any, tmp_path: Path) -> None:
    by_the_site(world, visit, tmp_path)
    change = AddressChange.objects.get()
    page = visit(name).post(page_of(world.users["sales"], "address"), {"change": change.mark, "confirm": "1"})
    assert page.status_code == (403 if name == "auditor" else 302)
    with pytest.raises(DatabaseError), transaction.atomic():
        enter(Role(world.users[name].role), user_id=world.users[name].pk)
        change.confirm()
    assert account("sales").email == OLD


def test_an_auditor_sees_the_page_with_masked_addresses(world: World, visit: Any, tmp_path: Path) -> None:
    by_the_site(world, visit, tmp_path)
    page = visit("auditor").get(page_of(world.users["sales"], "address")).content.decode()
    assert NEW not in page and OLD not in page and "e***@***.example" in page
    assert "submit-row" not in page


def test_a_superusers_address_is_a_superusers_matter(world: World, visit: Any) -> None:
    boss = world.users["superuser"]
    with acting_as(Role.SUPERUSER, user_id=world.users["management"].pk):
        User.objects.filter(pk=boss.pk).update(email=NEW)
    assert visit("other_management").post(page_of(boss, "address"), {"change": "1"}).status_code == 403
    assert account("superuser").email == ""


def test_what_the_page_showed_is_what_is_confirmed(world: World, visit: Any, tmp_path: Path) -> None:
    by_the_site(world, visit, tmp_path)
    shown = AddressChange.objects.get().mark
    assert (
        f'name="change" value="{shown}"'
        in visit("other_management").get(page_of(world.users["sales"], "address")).content.decode()
    )
    type_address(visit("management"), world.users["sales"], "thief@epic.example")
    page = visit("other_management").post(
        page_of(world.users["sales"], "address"), {"change": shown, "confirm": "1"}, follow=True
    )
    assert "This address doesn&#x27;t wait any more" in page.content.decode()
    assert account("sales").email == OLD


@pytest.mark.parametrize(
    "other",
    [{"address": "thief@epic.example"}, {"user_id": 1}, {"created_at": timezone.now()}],
    ids=["address", "account", "time"],
)
def test_links_and_forms_name_no_other_change_of_the_same_key(
    other: dict[str, Any], world: World, visit: Any, tmp_path: Path
) -> None:
    """Once a copy of the data was put back, keys are given out again, and links from before are in many a mailbox."""
    by_the_site(world, visit, tmp_path)
    change = AddressChange.objects.get()
    assert links.change_of(token_of(links.context(change)["link"])) == change
    assert links.objected(token_of(links.objection_context(change)["objection"])) == change
    for name, value in other.items():
        setattr(change, name, value)
    assert links.change_of(token_of(links.context(change)["link"])) is None
    assert links.objected(token_of(links.objection_context(change)["objection"])) is None
    form = {"change": change.mark, "drop": "1"}
    visit("other_management").post(page_of(world.users["sales"], "address"), form)
    assert AddressChange.objects.exists()


def token_of(link: str) -> str:
    return link.rstrip("/").rpartition("/")[2]


@pytest.mark.parametrize("change", ["", "x", "0", "1-", "-", "9" * 40, "١"])
def test_a_made_up_change_is_no_500(change: str, world: World, visit: Any, tmp_path: Path) -> None:
    by_the_site(world, visit, tmp_path)
    page = visit("other_management").post(page_of(world.users["sales"], "address"), {"change": change, "confirm": "1"})
    assert page.status_code in (302, 400)
    assert account("sales").email == OLD


def test_a_manager_drops_it(world: World, visit: Any, tmp_path: Path) -> None:
    by_the_site(world, visit, tmp_path)
    link = link_to(NEW, sent())
    assert "Dropped the address" in decide(visit("management"), world.users["sales"], "drop")
    assert Visitor().post(link, {"password": PASSWORD}).status_code == 404
    assert (
        "No other address waits" in visit("management").get(page_of(world.users["sales"], "address")).content.decode()
    )


def test_what_still_waits_is_not_swept_up(world: World, visit: Any, tmp_path: Path) -> None:
    by_the_site(world, visit, tmp_path)
    purge_expired()
    assert AddressChange.objects.count() == 1


def test_an_address_waits_for_seven_days(committed_world: World, migrator: Any) -> None:
    with acting_as(Role.MANAGEMENT, user_id=committed_world.users["management"].pk):
        User.objects.filter(username="sales").update(email=NEW)
    change = AddressChange.objects.get()
    with migrator.cursor() as cursor:  # no role may write the time
        cursor.execute("ALTER TABLE eecrm.accounts_addresschange DISABLE TRIGGER address_change_rules")
        cursor.execute("UPDATE eecrm.accounts_addresschange SET created_at = now() - interval '7 days 1 minute'")
        cursor.execute("ALTER TABLE eecrm.accounts_addresschange ENABLE TRIGGER address_change_rules")
    with (
        pytest.raises(DatabaseError, match="within 7 days"),
        acting_as(Role.MANAGEMENT, user_id=committed_world.users["other_management"].pk),
    ):
        change.confirm()
    assert not AddressChange.objects.open().exists()
    purge_expired()
    assert not AddressChange.objects.exists()
    assert account("sales").email == OLD


@pytest.mark.parametrize("name", ["sales", "newcomer", "invited_manager"])
@pytest.mark.parametrize("way", ["site", "import", "management", "superuser"])
def test_letter_case_makes_no_other_address(way: str, name: str, world: World, visit: Any, tmp_path: Path) -> None:
    for username, role in (("newcomer", Role.SALES), ("invited_manager", Role.MANAGEMENT)):
        newcomer(username, role=role)
    sent()
    before, recased = User.objects.filter(username=name).values().get(), f"{name.upper()}@epic.example"
    match way:
        case "site":
            page = type_address(visit("management"), account(name), recased).content.decode()
            assert "Upper and lower case make no other address" in page and "waits until" not in page
        case "import":
            said = run_import(tmp_path / "list.csv", f"username,email\n{name},{recased}\n", "--no-invitations")
            assert recased not in said
        case _:
            with acting_as(Role(way), user_id=world.users[way].pk):
                User.objects.filter(username=name).update(email=recased)
    assert User.objects.filter(username=name).values().get() == before
    assert not AddressChange.objects.exists()
    assert sent() == []
    user = account(name)
    with acting_as(Role.AUDITOR):
        assert not Entry.objects.about(user).filter(operation="update", new__has_key="email").exists()


def test_an_account_that_nobody_has_used_is_corrected_at_once(world: World, visit: Any) -> None:
    user = newcomer()
    type_address(visit("management"), user)
    assert account("newcomer").email == NEW
    assert not AddressChange.objects.exists()
    assert sent() == []


def test_an_identity_makes_an_account_somebodys(world: World, visit: Any) -> None:
    """Else a manager would bind one, take it away, and type an address of their own."""
    user = newcomer()
    with acting_as(Role.MANAGEMENT, user_id=world.users["management"].pk):
        ExternalIdentity.objects.create(user=user, issuer="https://idp.example", subject="n")
        ExternalIdentity.objects.filter(user=user).delete()
        User.objects.filter(pk=user.pk).update(email=NEW)
        Mail.objects.create(kind="invitation", user=user)
        Mail.objects.create(kind="password_reset", user=user)
    assert account("newcomer").email == "newcomer@epic.example"
    sent()
    errors = set(Mail.objects.filter(kind__in=["invitation", "password_reset"]).values_list("error", flat=True))
    assert errors == {"The account has had a password already.", "The address of the account isn't confirmed."}
    User.objects.filter(pk=user.pk).update(password="argon2$by a printed link")
    assert User.objects.get(pk=user.pk).email_confirmed_at is None


@pytest.mark.parametrize("end", ["taken away", "confirmed by the server"])
def test_an_address_that_nobody_has_confirmed_is_told_nothing(end: str, world: World) -> None:
    """It may be a stranger's: a manager typed it, and an identity made the account somebody's."""
    user, manager = newcomer(), world.users["management"].pk
    with acting_as(Role.MANAGEMENT, user_id=manager):
        ExternalIdentity.objects.create(user=user, issuer="https://idp.example", subject="n")
        User.objects.filter(pk=user.pk).update(email=NEW)
        assert AddressChange.objects.filter(user=user, address=NEW).exists()
    if end == "taken away":
        with acting_as(Role.SUPERUSER, user_id=world.users["superuser"].pk):
            User.objects.filter(pk=user.pk).update(email="")
        assert not AddressChange.objects.exists()
    if end == "confirmed by the server":
        call_command("confirm_address", "newcomer", NEW)
    assert account("newcomer").email == ("" if end == "taken away" else NEW)
    assert not Mail.objects.filter(user=user).exists()
    with acting_as(Role.SUPERUSER, user_id=world.users["superuser"].pk):
        User.objects.filter(pk=user.pk).update(email="")
        ExternalIdentity.objects.filter(user=user).delete()
    told = Mail.objects.filter(user=user).values_list("kind", "address")
    assert list(told) == ([] if end == "taken away" else [("address_changed", NEW)])


@pytest.mark.parametrize("name", ["sales", "other_management"])
def test_an_account_in_use_keeps_an_address(name: str, world: World, visit: Any) -> None:
    page = type_address(visit("management"), world.users[name], "").content.decode()
    assert "An account in use keeps an address: type another one, or deactivate it." in page
    with (
        pytest.raises(DatabaseError, match="An account in use keeps an address"),
        acting_as(Role.MANAGEMENT, user_id=world.users["management"].pk),
    ):
        User.objects.filter(username=name).update(email="")
    assert (account(name).email, Mail.objects.exists()) == (f"{name}@epic.example", False)


def test_taking_an_address_away_is_told_to_it(world: World) -> None:
    with acting_as(Role.SUPERUSER, user_id=world.users["superuser"].pk):
        User.objects.filter(username="sales").update(email="")
    user = User.objects.get(username="sales")
    assert (user.email, user.email_confirmed_at) == ("", None)
    told = {message.to[0]: str(message.body) for message in sent()}
    assert OLD in told and "its address was taken away, by superuser" in told["other_management@epic.example"]


def test_one_who_leaves_keeps_none(world: World) -> None:
    with acting_as(Role.MANAGEMENT, user_id=world.users["management"].pk):
        User.objects.filter(username="sales").update(is_active=False, email="")
    assert account("sales").email == ""


@pytest.mark.parametrize("name", ["sales", "other_management"])
def test_nobody_comes_back_without_an_address(name: str, world: World, visit: Any) -> None:
    """Else it would be taken away while the account is inactive, and its owner told nothing any more."""
    user, browser = world.users[name], visit("management")
    form = {"username": name, "role": user.role}
    for email in (user.email, ""):
        browser.post(page_of(user), form | {"email": email})
    assert (account(name).is_active, account(name).email) == (False, "")
    page = browser.post(page_of(user), form | {"email": "", "is_active": "on"}, follow=True).content.decode()
    assert "An account that was in use has an address before it is active again" in page
    browser.post(page_of(user), form | {"email": NEW, "is_active": "on"})
    assert not account(name).is_active
    browser.post(page_of(user), form | {"email": NEW})
    AddressChange.objects.get(user=user)
    with acting_as(Role.SUPERUSER):
        assert AddressChange.objects.get(user=user).confirm()
    browser.post(page_of(user), form | {"email": NEW, "is_active": "on"})
    assert (account(name).is_active, account(name).email) == (True, NEW)


def test_who_logs_in_with_an_identity_comes_back_without_one(world: World) -> None:
    with acting_as(Role.SUPERUSER):
        ExternalIdentity.objects.create(user=world.users["sales"], issuer="https://id.example", subject="s1")
        User.objects.filter(username="sales").update(is_active=False, email="")
    with acting_as(Role.MANAGEMENT, user_id=world.users["management"].pk):
        assert User.objects.filter(username="sales").update(is_active=True)


@pytest.mark.parametrize(("role", "is_told"), [("management", True), ("auditor", True), ("sales", False)])
def test_another_address_of_a_manager_who_has_not_come_yet_is_told(role: str, is_told: bool, world: World) -> None:
    user = newcomer(role=role)
    sent()
    with acting_as(Role.MANAGEMENT, user_id=world.users["management"].pk):
        User.objects.filter(pk=user.pk).update(email=NEW)
    told = {message.to[0]: str(message.body) for message in sent()}
    assert ("newcomer@epic.example" in told) is is_told
    line = f"newcomer (account {user.pk}): its address was changed before it was in use, by management"
    for name in ("management", "other_management"):
        assert (line in told.get(f"{name}@epic.example", "")) is is_told


@pytest.mark.parametrize("spelling", ["SALES@epic.example", "sales@EPIC.example", "ｓales@epic.example"])
def test_another_spelling_of_the_same_address_waits_for_nobody(spelling: str, world: World, visit: Any) -> None:
    type_address(visit("management"), world.users["sales"], spelling)
    assert account("sales").email.lower() == OLD
    assert not AddressChange.objects.exists() and not Mail.objects.exists()


def test_an_import_asks_once_for_an_address(world: World, tmp_path: Path) -> None:
    row = f"username,email\nsales,{NEW}\n"
    assert "1 changed" in run_import(tmp_path / "list.csv", row)
    assert "0 changed, 1 unchanged" in run_import(tmp_path / "list.csv", row)
    assert Mail.objects.filter(kind="address_confirmation").count() == 1


def test_the_columns_are_no_roles_to_write(world: World) -> None:
    for role in Role:
        for field in ("is_claimed", "email_confirmed_at"):
            with refused_with(PRIVILEGE), transaction.atomic():
                enter(role, user_id=world.users["superuser"].pk)
                User.objects.filter(username="sales").update(
                    **{field: None if field == "email_confirmed_at" else False}
                )
    for fields in ({"email": NEW}, {"is_claimed": False}, {"email_confirmed_at": timezone.now()}):
        with refused_with(PRIVILEGE), transaction.atomic():
            User.objects.filter(username="sales").update(**fields)  # the login role


@pytest.mark.parametrize("kind", ["address_notice", "address_confirmation", "invitation"])
def test_a_manager_has_no_mail_sent_elsewhere(kind: str, world: World) -> None:
    key = world.users["sales"].pk
    with pytest.raises(DatabaseError, match="A link goes to the address of its account"), acting_as(Role.MANAGEMENT):
        Mail.objects.create(kind=kind, user_id=key, address="evil@evil.example")


def test_a_new_account_is_nobodys_yet_whatever_its_maker_writes(world: World) -> None:
    with acting_as(Role.MANAGEMENT, user_id=world.users["management"].pk):
        made = User.objects.create(
            username="made", email=NEW, password="!", is_claimed=True, email_confirmed_at=timezone.now()
        )
    user = User.objects.get(pk=made.pk)
    assert (user.is_claimed, user.email_confirmed_at) == (False, None)


def test_an_account_made_with_a_password_on_the_server_has_a_confirmed_address(world: World) -> None:
    with acting_as(Role.SUPERUSER):
        User.objects.create_superuser("boss", "a long enough passphrase", email="boss@epic.example")
        User.objects.create_superuser("quiet", "a long enough passphrase")
    for name, confirmed in (("boss", True), ("quiet", False)):
        user = User.objects.get(username=name)
        assert (user.is_claimed, user.email_confirmed_at is not None) == (True, confirmed)


@pytest.mark.parametrize("gone", ["unlinked", "other_management"])
def test_an_address_that_waits_keeps_no_account_from_being_deleted(gone: str, world: World, migrator: Any) -> None:
    with acting_as(Role.MANAGEMENT, user_id=world.users["other_management"].pk):
        User.objects.filter(username="unlinked").update(email=NEW)
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username=gone).delete()
    assert not AddressChange.objects.exists()
    with migrator.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT confdeltype, condeferrable FROM pg_constraint"
            " WHERE conrelid = 'eecrm.accounts_addresschange'::regclass AND contype = 'f'"
        )
        assert cursor.fetchall() == [("c", False)]


def test_a_form_that_was_open_replaces_no_address_that_began_to_wait(world: World, visit: Any) -> None:
    user = world.users["sales"]
    manager, other = Tab(visit("management"), page_of(user)), Tab(visit("other_management"), page_of(user))
    unconcerned = Tab(visit("superuser"), page_of(user))
    assert other.send(email="other@epic.example").status_code == 302
    assert manager.send(email=NEW).status_code == 200
    page = manager.page.content.decode()
    assert "other_management" in page and "other@epic.example" in page
    assert [change.address for change in AddressChange.objects.all()] == ["other@epic.example"]
    assert unconcerned.send(job_title="Sales").status_code == 302
    assert manager.send().status_code == 302
    assert [change.address for change in AddressChange.objects.all()] == [NEW]


def test_a_form_that_was_open_replaces_no_address_that_its_owner_asked_for(world: World, visit: Any) -> None:
    user = world.users["sales"]
    manager = Tab(visit("management"), page_of(user))
    asked = Caller.as_user(user).post(f"{API}users/me/email/", {"email": "own@home.example", "password": PASSWORD})
    assert asked.status_code == 202
    assert manager.send(email=NEW).status_code == 200
    assert [change.address for change in AddressChange.objects.all()] == ["own@home.example"]
