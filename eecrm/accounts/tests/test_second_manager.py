"""A second manager's word for another address: not from an account that the first one made, nor before the owner could object."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.utils import timezone

from access.database import acting_as, acting_as_login_role, leave
from access.policy import Role
from accounts.models import AddressChange, ExternalIdentity, Mail, User
from accounts.tests.people import account, lines, link_to, move, newcomer, run_import, sent
from accounts.tests.test_address_changes import CHOSEN, NEW, OLD, USERS, decide, page_of, type_address
from conftest import API, PASSWORD, Caller, Visitor, World


class Company:
    """The world a month later: its accounts are no new ones."""

    def __init__(self, world: World, migrator: Any) -> None:
        self.world, self.migrator = world, migrator
        self.wait("30 days")

    def visit(self, name: str) -> Visitor:
        browser = Visitor()
        browser.force_login(User.objects.get(username=name))
        return browser

    def wait(self, interval: str) -> None:
        """As if everything had happened so much earlier. No role may write these times."""
        with self.migrator.cursor() as cursor:
            cursor.execute("UPDATE audit.entry SET at = at - %s::interval", [interval])
            cursor.execute("ALTER TABLE eecrm.accounts_addresschange DISABLE TRIGGER USER")
            cursor.execute("UPDATE eecrm.accounts_addresschange SET created_at = created_at - %s::interval", [interval])
            cursor.execute("ALTER TABLE eecrm.accounts_addresschange ENABLE TRIGGER USER")

    def by_sql(self, name: str = "sales", address: str = NEW, by: str = "management") -> None:
        role = Role.SUPERUSER if by == "superuser" else Role.MANAGEMENT
        with acting_as(role, user_id=User.objects.get(username=by).pk):
            User.objects.filter(username=name).update(email=address)

    def decided(self, by: str, name: str = "sales", what: str = "confirm") -> str:
        return decide(self.visit(by), self.world.users[name], what)


@pytest.fixture
def company(committed_world: World, migrator: Any) -> Company:
    return Company(committed_world, migrator)


def make_puppet(company: Company, *, by: str = "management", name: str = "puppet") -> None:
    """A manager's account that another manager makes, with a password that its maker chooses by the link."""
    maker = company.visit(by)
    form = {"username": name, "role": "management", "email": f"{name}@evil.example", "send_invitation": "on"}
    maker.post(USERS + "add/", form)
    made = User.objects.get(username=name)
    with acting_as(Role.MANAGEMENT, user_id=company.world.users[by].pk):
        Mail.objects.create(kind="invitation", user=made)
    browser = Visitor()
    page = browser.get(link_to(f"{name}@evil.example", sent()[-1:])).url
    browser.post(page, CHOSEN)
    assert User.objects.get(username=name).is_claimed


def test_a_puppet_is_no_second_manager(company: Company) -> None:
    make_puppet(company)
    type_address(company.visit("management"), company.world.users["sales"])
    company.wait("25 hours")
    puppet = company.visit("puppet")
    page = puppet.get(page_of(company.world.users["sales"], "address")).content.decode()
    assert "Confirm the new address" not in page and "less than seven days" in page
    assert "Only a manager of seven days" in decide(puppet, company.world.users["sales"])
    assert account("sales").email == OLD


def test_the_way_out_that_the_pages_name_leaves_a_thief_in_the_mailbox_without_a_link(company: Company) -> None:
    move("sales", "thief@evil.example")
    sent()
    with acting_as(Role.MANAGEMENT, user_id=company.world.users["management"].pk):
        User.objects.filter(username="sales").update(is_active=False)
        User.objects.filter(username="sales").update(email="")
    company.by_sql()
    thief = [str(message.body) for message in sent() if message.to == ["thief@evil.example"]]
    assert thief and not any("/account/address/" in body for body in thief)
    company.wait("25 hours")
    company.decided("other_management")
    with acting_as(Role.MANAGEMENT, user_id=company.world.users["management"].pk):
        User.objects.filter(username="sales").update(is_active=True)
    assert (account("sales").email, account("sales").is_active) == (NEW, True)


@pytest.mark.parametrize(
    ("asker", "second"),
    [("management", "puppet"), ("puppet", "management"), ("management", "grandchild"), ("puppet", "other_puppet")],
)
def test_a_puppet_stays_one_however_old_and_whichever_of_the_two_asks(
    asker: str, second: str, company: Company
) -> None:
    make_puppet(company)
    make_puppet(company, by="management", name="other_puppet")
    with acting_as(Role.MANAGEMENT, user_id=User.objects.get(username="puppet").pk):
        User.objects.create_user("grandchild", role=Role.MANAGEMENT, email="g@evil.example")
    company.wait("20 days")
    with acting_as(Role.MANAGEMENT, user_id=User.objects.get(username=asker).pk):
        User.objects.filter(username="sales").update(email=NEW)
    company.wait("25 hours")
    assert "or a third one made both" in company.decided(second)
    assert account("sales").email == OLD


@pytest.mark.parametrize("change", [{"role": "management"}, {"is_active": True}, {"email": "mine@evil.example"}])
def test_an_account_that_became_a_managers_just_now_is_no_second_manager(
    change: dict[str, Any], company: Company
) -> None:
    before = {"role": {"role": "sales"}, "is_active": {"is_active": False}, "email": {}}[next(iter(change))]
    with acting_as(Role.SUPERUSER):
        second = User.objects.create_user("second", role=Role.MANAGEMENT, email="second@epic.example")
        User.objects.filter(pk=second.pk).update(**before)
    company.wait("20 days")
    with acting_as(Role.MANAGEMENT, user_id=company.world.users["auditor"].pk):
        User.objects.filter(pk=second.pk).update(**change)
    company.by_sql()
    company.wait("25 hours")
    assert "Only a manager of seven days" in company.decided("second")
    assert account("sales").email == OLD


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": "sales"}], ids=["deactivated", "unmade"])
def test_what_a_manager_asked_for_ends_when_the_account_is_no_managers_any_more(
    change: dict[str, Any], company: Company
) -> None:
    company.by_sql()
    link = link_to(NEW, sent())
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="management").update(**change)
    company.wait("25 hours")
    assert "This address doesn" in company.decided("other_management")
    assert Visitor().get(link).status_code == 404
    assert account("sales").email == OLD


def test_a_new_password_of_the_manager_who_asked_ends_nothing(company: Company) -> None:
    company.by_sql()
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="management").update(password="argon2$chosen")
    assert AddressChange.objects.filter(user=company.world.users["sales"]).exists()


def made_on_the_server(name: str = "second", **fields: Any) -> User:
    """A manager's account that no user made."""
    with acting_as(Role.SUPERUSER):
        return User.objects.create_user(name, **{"role": Role.MANAGEMENT, "email": f"{name}@epic.example"} | fields)


@pytest.mark.parametrize("change", [{"password": "argon2$chosen"}, {"is_superuser": False}])
def test_nor_is_one_that_came_into_use_or_was_a_superusers_just_now(change: dict[str, Any], company: Company) -> None:
    second = made_on_the_server(is_superuser="is_superuser" in change)
    company.wait("20 days")
    with acting_as(Role.SUPERUSER):
        User.objects.filter(pk=second.pk).update(**change)
    company.by_sql()
    company.wait("25 hours")
    assert "Only a manager of seven days" in company.decided("second")
    assert account("sales").email == OLD


@pytest.mark.parametrize(("before", "may"), [("6 days 23 hours", False), ("7 days 1 hour", True)])
def test_seven_days_before_it_was_asked_for_are_enough(before: str, may: bool, company: Company) -> None:
    made_on_the_server()
    company.wait(before)
    company.by_sql()
    company.wait("25 hours")
    assert ("Confirmed another address" in company.decided("second")) == may
    assert account("sales").email == (NEW if may else OLD)


def test_who_is_not_on_the_trail_is_no_second_manager(company: Company) -> None:
    company.by_sql()
    company.wait("25 hours")
    with company.migrator.cursor() as cursor:
        cursor.execute("DELETE FROM audit.entry WHERE row_key = %s", [str(company.world.users["other_management"].pk)])
    assert "Only a manager of seven days" in company.decided("other_management")


def test_a_managers_role_without_a_manager_confirms_nothing(company: Company) -> None:
    company.by_sql()
    company.wait("25 hours")
    with pytest.raises(DatabaseError, match="Another manager"), acting_as(Role.MANAGEMENT):
        AddressChange.objects.get().confirm()
    assert account("sales").email == OLD


HELP: dict[str, list[dict[str, Any]]] = {
    "role": [{"role": "management"}],
    "superuser": [{"is_superuser": True}, {"is_superuser": False}],
    "address before its first use": [{"email": "second@evil.example"}],
    "identity": [],
}


@pytest.mark.parametrize("first", ["asker", "second"])
@pytest.mark.parametrize("kind", HELP)
def test_who_gave_a_role_an_address_or_a_first_way_in_made_the_account(kind: str, first: str, company: Company) -> None:
    user = made_on_the_server(role=Role.SALES if kind == "role" else Role.MANAGEMENT)
    with acting_as(Role.SUPERUSER, user_id=company.world.users["management"].pk):
        for fields in HELP[kind]:
            User.objects.filter(pk=user.pk).update(**fields)
        if kind == "identity":
            ExternalIdentity.objects.create(user=user, issuer="https://idp.example", subject="s")
    company.wait("20 days")
    asker, second = ("management", "second") if first == "asker" else ("second", "management")
    with acting_as(Role.MANAGEMENT, user_id=User.objects.get(username=asker).pk):
        User.objects.filter(username="sales").update(email=NEW)
    company.wait("25 hours")
    assert "or a third one made both" in company.decided(second)
    assert account("sales").email == OLD


@pytest.mark.parametrize("fields", [{"password": "argon2$chosen"}, {}], ids=["in use", "not in use yet"])
@pytest.mark.parametrize("address", ["Second@epic.example", ""], ids=["letter case", "taken away"])
def test_who_chose_no_address_made_no_account(address: str, fields: dict[str, Any], company: Company) -> None:
    second = made_on_the_server(**fields)
    other = made_on_the_server("other", **fields)
    for user in (second, other):
        with acting_as(Role.SUPERUSER, user_id=company.world.users["management"].pk):
            User.objects.filter(pk=user.pk).update(email=address and address.replace("Second", user.username.title()))
    for user in (second, other):
        with acting_as(Role.SUPERUSER):
            User.objects.filter(pk=user.pk, is_claimed=False).update(password="argon2$chosen")
    company.wait("20 days")
    company.by_sql(by="second")
    company.wait("25 hours")
    assert "Confirmed another address" in company.decided("other")


def test_letter_case_begins_no_new_seven_days(company: Company) -> None:
    second = made_on_the_server()
    company.wait("20 days")
    with acting_as(Role.MANAGEMENT, user_id=company.world.users["management"].pk):
        User.objects.filter(pk=second.pk).update(email="SECOND@epic.example")
    company.by_sql()
    company.wait("25 hours")
    assert "Confirmed another address" in company.decided("second")


def test_who_confirmed_an_address_of_an_account_in_use_did_not_make_it(company: Company) -> None:
    company.by_sql(name="other_management", address="moved@epic.example", by="superuser")
    company.wait("25 hours")
    assert "Confirmed another address" in company.decided("management", "other_management")
    company.wait("20 days")
    company.by_sql()
    company.wait("25 hours")
    assert "Confirmed another address" in company.decided("other_management")


def test_what_its_owner_asked_for_may_be_confirmed_by_who_made_the_account(company: Company) -> None:
    with acting_as(Role.MANAGEMENT, user_id=company.world.users["management"].pk):
        clerk = User.objects.create_user("clerk", role=Role.SALES, email="clerk@epic.example")
    company.wait("20 days")
    with acting_as_login_role():
        leave(user_id=clerk.pk)
        AddressChange.objects.create(user=clerk, address=NEW)
    company.wait("25 hours")
    assert "Confirmed another address" in decide(company.visit("management"), clerk)


def test_no_statement_says_when_or_by_whom_it_was_asked_for_or_confirmed(company: Company) -> None:
    sales, manager = (company.world.users[name].pk for name in ("sales", "other_management"))
    forged = {"asked_by_id": manager, "confirmed_by_id": manager, "created_at": timezone.now() - timedelta(days=2)}
    with acting_as_login_role():
        leave(user_id=sales)
        change = AddressChange.objects.create(user_id=sales, address=NEW, **forged)
    change.refresh_from_db()
    assert (change.asked_by_id, change.confirmed_by_id) == (sales, None)
    assert timezone.now() - change.created_at < timedelta(hours=1)
    company.wait("25 hours")
    Mail.objects.all().delete()
    with acting_as(Role.MANAGEMENT, user_id=manager):
        AddressChange.objects.update(confirmed_by_id=sales)
    assert account("sales").email == NEW
    assert (
        "its address was changed, by other_management"
        in {m.to[0]: str(m.body) for m in sent()}["management@epic.example"]
    )


def test_an_address_that_waited_too_long_is_asked_for_anew(company: Company) -> None:
    company.by_sql()
    (first,) = AddressChange.objects.values_list("pk", flat=True)
    company.wait("6 days")
    company.by_sql()
    assert AddressChange.objects.get().pk == first
    company.wait("2 days")
    company.by_sql()
    assert AddressChange.objects.get().pk != first
    company.wait("25 hours")
    assert "Confirmed another address" in company.decided("other_management")


@pytest.mark.parametrize("asker", ["management", "superuser"])
def test_a_second_manager_of_some_standing_confirms_it_after_a_day(asker: str, company: Company) -> None:
    company.by_sql(by=asker)
    sales = company.world.users["sales"]
    second = company.visit("other_management")
    assert "Another one waits" in second.get(page_of(sales)).content.decode()
    company.wait("23 hours")
    page = second.get(page_of(sales, "address")).content.decode()
    assert NEW in page and OLD in page and "until then its owner can object" in page
    assert "A manager confirms an address a day after" in decide(second, sales)
    company.wait("2 hours")
    assert "Confirm the new address" in second.get(page_of(sales, "address")).content.decode()
    sent()
    assert "Confirmed another address" in decide(second, sales)
    user = User.objects.get(username="sales")
    assert (account("sales").email, user.email_confirmed_at is not None) == (NEW, True)
    told = {message.to[0]: str(message.body) for message in sent()}
    assert "was changed or taken away" in told[OLD]
    assert "its address was changed, by other_management" in told["management@epic.example"]
    Mail.objects.all().delete()
    second.confirm(USERS, {"action": "send_reset", "_selected_action": [user.pk]})
    assert [message.to for message in sent()] == [[NEW]]


def test_two_managers_whom_a_superuser_made_are_a_pair(company: Company) -> None:
    for name in ("first", "second"):
        with acting_as(Role.SUPERUSER, user_id=company.world.users["superuser"].pk):
            User.objects.create_user(name, role=Role.MANAGEMENT, email=f"{name}@epic.example")
    company.wait("20 days")
    with acting_as(Role.MANAGEMENT, user_id=User.objects.get(username="first").pk):
        User.objects.filter(username="sales").update(email=NEW)
    company.wait("25 hours")
    assert "Confirmed another address" in company.decided("second")
    assert account("sales").email == NEW


@pytest.mark.parametrize("name", ["superuser", "second"])
def test_a_superuser_however_new_confirms_it_where_all_managers_are_new(name: str, company: Company) -> None:
    made_on_the_server(is_superuser=True)
    company.by_sql()
    assert "a day after it was asked for" in company.decided(name)
    company.wait("25 hours")
    assert "Confirmed another address" in company.decided(name)
    assert account("sales").email == NEW


def test_the_server_confirms_the_address_that_its_operator_names(company: Company) -> None:
    company.by_sql()
    for username, address in (("sales", "another@epic.example"), ("support", NEW), ("nobody", NEW)):
        with pytest.raises(CommandError, match="doesn't wait"):
            call_command("confirm_address", username, address)
    sent()
    call_command("confirm_address", "Sales", NEW)
    assert account("sales").email == NEW
    assert [OLD] in [message.to for message in sent()]


@pytest.mark.parametrize("filled", ["notices", "links"])
def test_a_thief_who_fills_the_limits_refuses_no_correction(filled: str, company: Company) -> None:
    """The mails and the page name this way out: deactivate the account, empty its address, and enter the right one."""
    thief = Caller.as_user(company.world.users["sales"])
    for number in range(3):
        address = NEW if filled == "links" else f"thief{number}@evil.example"
        thief.post(API + "users/me/email/", {"email": address, "password": PASSWORD})
    asked = Mail.objects.filter(kind="address_confirmation", address=NEW).count()
    assert asked == (2 if filled == "links" else 0)
    if filled == "notices":
        with pytest.raises(DatabaseError, match="three other addresses within a day"):
            company.by_sql()
    for fields in ({"is_active": False}, {"email": ""}, {"email": NEW}):
        with acting_as(Role.MANAGEMENT, user_id=company.world.users["management"].pk):
            User.objects.filter(username="sales").update(**fields)
    assert AddressChange.objects.get().address == NEW
    company.wait("25 hours")
    assert "Confirmed another address" in company.decided("other_management")
    assert account("sales").email == NEW


@pytest.mark.parametrize("filled", ["notices", "links"])
def test_the_server_enters_and_confirms_an_address_at_any_time(filled: str, company: Company) -> None:
    thief = Caller.as_user(company.world.users["sales"])
    for number in range(3):
        address = NEW if filled == "links" else f"thief{number}@evil.example"
        thief.post(API + "users/me/email/", {"email": address, "password": PASSWORD})
    with acting_as_login_role():
        AddressChange.objects.all().delete()
    for username, address in (("nobody", NEW), ("sales", "no address"), ("sales", OLD), ("sales", "")):
        with pytest.raises(CommandError):
            call_command("confirm_address", username, address, "--enter")
    with pytest.raises(CommandError, match="doesn't wait"):
        call_command("confirm_address", "sales", NEW)
    sent()
    call_command("confirm_address", "sales", NEW, "--enter")
    assert account("sales").email == NEW
    assert [OLD] in [message.to for message in sent()]


def test_the_server_confirms_none_that_waited_too_long(company: Company) -> None:
    company.by_sql()
    company.wait("8 days")
    with pytest.raises(CommandError, match="doesn't wait"):
        call_command("confirm_address", "sales", NEW)
    assert account("sales").email == OLD


@pytest.mark.parametrize(
    ("change", "to", "error"),
    [
        ({"password": "!gone"}, [OLD], "no password to confirm with"),
        ({"is_active": False}, [OLD], "The account is inactive."),
    ],
)
def test_the_owner_learns_of_it_whatever_has_become_of_the_account(
    change: dict[str, Any], to: list[str], error: str, company: Company
) -> None:
    company.by_sql()
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="sales").update(**change)
    assert [message.to for message in sent() if message.to[0] in (OLD, NEW)] == [to]
    assert error in Mail.objects.get(kind="address_confirmation").error


def test_an_account_without_a_password_waits_for_a_second_manager(company: Company) -> None:
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="sales").update(password="!gone")
    company.by_sql()
    assert not Mail.objects.filter(kind="address_confirmation").exists()
    company.wait("25 hours")
    assert "Confirmed another address" in company.decided("other_management")


def test_a_superusers_address_is_no_second_managers_matter(company: Company) -> None:
    with acting_as(Role.SUPERUSER, user_id=company.world.users["management"].pk):
        User.objects.filter(username="superuser").update(email=NEW)
    company.wait("25 hours")
    with (
        pytest.raises(DatabaseError, match="Only a superuser"),
        acting_as(Role.MANAGEMENT, user_id=company.world.users["other_management"].pk),
    ):
        AddressChange.objects.get().confirm()
    assert account("superuser").email == ""


def test_the_owner_keeps_the_address_by_the_link_in_the_notice(company: Company) -> None:
    company.by_sql()
    messages = sent()
    link, browser = link_to(OLD, messages), Visitor()
    assert b"Keep your email address" in browser.get(link).content
    assert AddressChange.objects.exists()
    page = browser.post(link)
    assert (page.status_code, b"Your address stays" in page.content) == (200, True)
    assert not AddressChange.objects.exists()
    assert browser.post(link).status_code == 404
    assert Visitor().post(link_to(NEW, messages)).status_code == 404
    assert account("sales").email == OLD


def test_so_does_the_owner_of_an_account_that_was_deactivated_before(company: Company) -> None:
    """Else nobody could object during the day after which a second manager confirms it."""
    with acting_as(Role.MANAGEMENT, user_id=company.world.users["management"].pk):
        User.objects.filter(username="sales").update(is_active=False)
    company.by_sql()
    link = link_to(OLD, sent())
    assert b"Keep your email address" in Visitor().get(link).content
    assert b"Your address stays" in Visitor().post(link).content
    assert not AddressChange.objects.exists()


def test_no_ask_is_silent(company: Company) -> None:
    """Ask for something harmless, drop it, ask for the address that is meant: the owner and the managers learn of each."""
    for number in range(3):
        company.by_sql(address=f"n{number}@evil.example")
        to = [message.to[0] for message in sent()]
        assert to.count(OLD) == 1 and to.count("other_management@epic.example") == 1
        company.decided("management", what="drop")
    with pytest.raises(DatabaseError, match="three other addresses within a day"):
        company.by_sql(address="n4@evil.example")
    assert not AddressChange.objects.exists()


def test_a_new_manager_is_told_at_once(company: Company) -> None:
    company.by_sql()
    sent()
    company.visit("management").post(
        USERS + "add/", {"username": "puppet", "role": "management", "email": "p@evil.example"}
    )
    body = {message.to[0]: str(message.body) for message in sent()}["other_management@epic.example"]
    assert f"puppet (account {User.objects.get(username='puppet').pk}): a new account: a manager, by management" in body
    with acting_as(Role.MANAGEMENT, user_id=company.world.users["management"].pk):
        User.objects.filter(username="support").update(role="management")
    body = {message.to[0]: str(message.body) for message in sent()}["other_management@epic.example"]
    assert "became a manager, by management" in body


UNMADE: dict[str, tuple[dict[str, Any], str]] = {
    "demoted": ({"role": "sales"}, "is a manager no more, by management"),
    "deactivated": ({"is_active": False}, "a privileged account was deactivated, by management"),
    "renamed": ({"username": "somebody"}, "was called third before, by management"),
}


@pytest.mark.parametrize("how", [*UNMADE, "deleted"])
def test_a_manager_who_is_unmade_is_news_at_once(how: str, company: Company) -> None:
    with acting_as(Role.SUPERUSER):
        third = User.objects.create_user("third", role=Role.MANAGEMENT, email="third@epic.example")
    sent()
    with acting_as(Role.MANAGEMENT, user_id=company.world.users["management"].pk):
        if how == "deleted":
            User.objects.filter(pk=third.pk).delete()
        else:
            User.objects.filter(pk=third.pk).update(**UNMADE[how][0])
    body = {message.to[0]: str(message.body) for message in sent()}["other_management@epic.example"]
    expected = "the account of a manager was deleted, by management" if how == "deleted" else UNMADE[how][1]
    assert expected in body


def test_many_names_hide_no_new_manager(company: Company) -> None:
    sales = company.world.users["sales"]
    for number in range(60):
        with acting_as(Role.SALES, user_id=sales.pk):
            User.objects.filter(pk=sales.pk).update(first_name=f"Name{number}")
    with acting_as(Role.MANAGEMENT, user_id=company.world.users["management"].pk):
        User.objects.create_user("puppet", role=Role.MANAGEMENT, email="p@evil.example")
    body = {message.to[0]: str(message.body) for message in sent()}["other_management@epic.example"]
    assert "puppet" in body and body.count("another display name") == 1 and "more" not in body


def test_nobody_gets_a_username_that_another_account_had(company: Company, tmp_path: Any) -> None:
    with acting_as(Role.SUPERUSER):
        carla = User.objects.create_user("carla", role=Role.SALES, email="carla@epic.example")
        User.objects.filter(pk=carla.pk).update(username="former")
    visit = company.visit("management")
    page = visit.post(USERS + "add/", {"username": "Carla", "role": "sales", "email": "p@evil.example"})
    assert "Another account had this username before" in page.content.decode()
    for change in (
        lambda: User.objects.create_user("carla"),
        lambda: User.objects.filter(username="sales").update(username="carla"),
    ):
        with pytest.raises(DatabaseError, match="had this username before"), acting_as(Role.MANAGEMENT):
            change()
    with pytest.raises(CommandError, match="line 2.*'carla' before"):
        run_import(tmp_path / "list.csv", lines("carla,Ada,Byron,ada@epic.example,support,,,,yes"))
    with acting_as(Role.MANAGEMENT):
        User.objects.filter(pk=carla.pk).update(username="carla")
    with pytest.raises(DatabaseError, match="user_username_once"), acting_as(Role.MANAGEMENT):
        User.objects.create_user("carla")
    with acting_as(Role.MANAGEMENT):
        User.objects.filter(pk=carla.pk).delete()
        User.objects.create_user("carla")


@pytest.mark.parametrize("changes", [[{"is_active": False}, {"is_active": True}], [{"is_superuser": True}]])
def test_a_manager_who_is_back_and_a_superuser_are_told_too(changes: list[dict[str, Any]], company: Company) -> None:
    made_on_the_server(role=Role.MANAGEMENT if len(changes) == 2 else Role.SALES)
    for fields in changes:
        sent()
        with acting_as(Role.SUPERUSER, user_id=company.world.users["management"].pk):
            User.objects.filter(username="second").update(**fields)
    body = {message.to[0]: str(message.body) for message in sent()}["other_management@epic.example"]
    words = "a privileged account is active again" if len(changes) == 2 else "became a superuser"
    assert f"{words}, by management" in body


def test_a_new_account_of_another_role_is_no_news(company: Company) -> None:
    with acting_as(Role.MANAGEMENT, user_id=company.world.users["management"].pk):
        User.objects.create_user("clerk", role=Role.SALES)
    newcomer("by_the_server", role=Role.MANAGEMENT)
    assert not Mail.objects.filter(kind="account_news").exists()
