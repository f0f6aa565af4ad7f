"""Managers are told which accounts have another name or address: at most a mail a day, by username and key."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.mail.backends.locmem import EmailBackend
from django.db import DatabaseError, connection, transaction
from django.db.models import F
from django.utils import timezone

from access.database import acting_as, acting_as_login_role
from access.policy import Role
from accounts.models import Alert, ExternalIdentity, Mail, User
from accounts.outbox import news as writing
from accounts.outbox.alerts import send_alerts
from accounts.outbox.delivery import deliver
from accounts.outbox.purging import purge_expired
from accounts.tests.people import account, left_open, lines, link_to, move, newcomer, run_import, sent
from accounts.tests.test_address_changes import NEW, OLD, by_the_site, decide, page_of
from api.tests.test_at_once import alone
from clients.models import Client
from config.tests.counting import rows_read
from conftest import API, CAST, PASSWORD, Caller, Visitor, World, move_the_trail_here


def news() -> dict[str, str]:
    return {message.to[0]: str(message.body) for message in sent() if message.subject.startswith("News of accounts")}


def test_all_managers_are_told_by_account_and_key(world: World, visit: Any, tmp_path: Path) -> None:
    by_the_site(world, visit, tmp_path)
    told = news()
    assert set(told) == {"management@epic.example", "other_management@epic.example"}
    sales, manager = world.users["sales"], world.users["management"]
    for body in told.values():
        assert f"sales (account {sales.pk}): another address was asked for" in body
        assert f"by management (account {manager.pk})" in body
        assert NEW not in body


def by_the_link(world: World, sales: Caller, messages: Any) -> None:
    assert Visitor().post(link_to(OLD, messages)).status_code == 200


def by_asking_for_another(world: World, sales: Caller, messages: Any) -> None:
    assert sales.post(API + "users/me/email/", {"email": "b@epic.example", "password": PASSWORD}).status_code == 202


def by_another_manager(world: World, sales: Caller, messages: Any) -> None:
    browser = Visitor()
    browser.force_login(world.users["other_management"])
    assert "Dropped the address" in decide(browser, world.users["sales"], "drop")


def by_deactivation(world: World, sales: Caller, messages: Any, email: str = OLD) -> None:
    browser = Visitor()
    browser.force_login(world.users["other_management"])
    form = {"username": "sales", "role": "sales", "email": email}
    page = browser.post(page_of(world.users["sales"]), form, follow=True).content.decode()
    assert not account("sales").is_active and "is dropped, because the account is deactivated: enter it again" in page


by_deactivation_with_another = partial(by_deactivation, email="b@epic.example")


@pytest.mark.parametrize(
    ("drop", "actor"),
    [
        (by_the_link, "sales"),
        (by_asking_for_another, "sales"),
        (by_another_manager, "other_management"),
        (by_deactivation, "other_management"),
        (by_deactivation_with_another, "other_management"),
    ],
)
def test_managers_are_told_that_an_address_which_they_entered_was_dropped(
    drop: Any, actor: str, world: World, sales: Caller, visit: Any, tmp_path: Path
) -> None:
    """A thief who has confirmed an address of their own drops each correction from that mailbox."""
    by_the_site(world, visit, tmp_path)
    drop(world, sales, sent())
    told = news()
    assert set(told) == {"management@epic.example", "other_management@epic.example"}
    account, by = (f"{name} (account {world.users[name].pk})" for name in ("sales", actor))
    for body in told.values():
        assert f"{account}: the other address, which waited to be confirmed, was dropped, by {by}\n" in body
        assert "deactivate it, empty its address, enter the right one" in body
    page = visit("management").get(page_of(world.users["sales"], "address")).content.decode()
    assert "deactivate the\naccount, empty its address, and then enter the right one" in page


def test_what_its_owner_drops_or_confirms_or_lets_pass_was_not_dropped(
    world: World, sales: Caller, visit: Any, tmp_path: Path
) -> None:
    for address in ("a@epic.example", "b@epic.example"):
        sales.post(API + "users/me/email/", {"email": address, "password": PASSWORD})
    assert news() == {}
    by_the_site(world, visit, tmp_path)
    link = link_to(NEW, sent())
    assert Visitor().post(link, {"password": PASSWORD}).status_code == 302
    sales.patch(API + "users/me/", {"first_name": "Helen"})
    Mail.objects.filter(sent_at=None).update(due_at=timezone.now() - timedelta(seconds=1))
    body = news()["management@epic.example"]
    assert "another display name" in body and "dropped, by" not in body


@pytest.mark.parametrize("name", CAST)
def test_a_new_display_name_is_told_to_managers(name: str, world: World, caller: Any) -> None:
    assert caller(name).patch(API + "users/me/", {"first_name": "Helen", "last_name": "Fletcher"}).status_code == 200
    told = news()
    assert set(told) == {"management@epic.example", "other_management@epic.example"}
    assert f"{name} (account {world.users[name].pk}): another display name" in told["management@epic.example"]
    assert "Helen" not in told["management@epic.example"]


def test_active_managers_and_superusers_with_a_confirmed_address_are_told(world: World, sales: Caller) -> None:
    newcomer("fresh", role=Role.MANAGEMENT)
    with acting_as(Role.SUPERUSER):
        User.objects.create_user("left", PASSWORD, role=Role.MANAGEMENT, email="left@epic.example", is_active=False)
        User.objects.create_superuser("boss", PASSWORD, email="boss@epic.example")
    assert sales.patch(API + "users/me/", {"last_name": "A"}).status_code == 200
    told = Mail.objects.filter(kind="account_news").values_list("user__username", flat=True)
    assert set(told) == {"management", "other_management", "boss"}


def test_managers_get_one_such_mail_a_day(world: World, sales: Caller, support: Caller) -> None:
    me = API + "users/me/"
    sales.patch(me, {"last_name": "A"})
    assert len(news()) == 2
    for number in range(5):
        sales.patch(me, {"last_name": f"B{number}"})
        support.patch(me, {"last_name": f"C{number}"})
    assert news() == {}
    waiting = Mail.objects.filter(kind="account_news", sent_at=None)
    assert waiting.count() == 2
    for mail in waiting:
        assert timedelta(hours=23) < mail.due_at - timezone.now() <= timedelta(days=1)
    Mail.objects.filter(sent_at=None).update(due_at=timezone.now() - timedelta(seconds=1))
    told = news()
    assert len(told) == 2
    assert told["management@epic.example"].count("another display name") == 2, "of each the last one"


def test_what_is_told_at_once_takes_a_name_that_waits_along(world: World, sales: Caller) -> None:
    for name, told in (("A", 2), ("B", 0)):
        sales.patch(API + "users/me/", {"last_name": name})
        assert len(news()) == told
    with acting_as(Role.MANAGEMENT, user_id=world.users["management"].pk):
        User.objects.filter(username="support").update(role="management")
    body = news()["other_management@epic.example"]
    assert "became a manager" in body and "another display name" in body


def test_a_mail_of_news_is_not_long(world: World) -> None:
    for name in ("superuser", "management"):
        with acting_as(Role.SUPERUSER, user_id=world.users[name].pk):
            for number in range(12):
                User.objects.create_user(f"{name}{number}", role=Role.MANAGEMENT)
    body = news()["management@epic.example"]
    assert "superuser9 (account" in body and "superuser10 (account" not in body
    for name in ("superuser", "management"):
        assert (
            f"\n- and 2 more by {name} (account {world.users[name].pk}): managers made, unmade or switched on or off\n"
            in body
        )


def test_many_who_do_the_same_are_told_in_one_line(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(writing, "MAX_LINES", 5)
    for name in CAST:
        with acting_as(Role.SUPERUSER, user_id=world.users[name].pk):
            User.objects.create_user(f"by_{name}", role=Role.MANAGEMENT)
    body = news()["management@epic.example"]
    assert body.count(" UTC: ") == 5
    assert "more by others: managers made" in body


def test_noise_hides_nobody(world: World) -> None:
    """What may let somebody into another account comes first, and each kind of news has its own room."""
    manager = world.users["management"]
    with acting_as(Role.SUPERUSER):
        people = [User.objects.create_user(f"person{number}", role=Role.SALES) for number in range(60)]
    with acting_as(Role.SUPERUSER, user_id=manager.pk):
        for person in people:
            User.objects.filter(pk=person.pk).update(username=f"noise{person.pk}")
        User.objects.filter(username="support").update(role="management")
        User.objects.filter(username="other_management").update(email=NEW)
    body = news()["other_management@epic.example"]
    lines = ["became a manager", "another address was asked for", "noise"]
    assert body.index(lines[0]) < body.index(lines[1]) < body.index(lines[2])
    assert f"- and 50 more by management (account {manager.pk}): other changes of accounts\n" in body


# --- what is committed while a mail is on its way


def make_manager(name: str) -> User:
    return User.objects.create_user(name, role=Role.MANAGEMENT, email=f"{name}@evil.example")


def rename(by: User) -> None:
    with acting_as(Role.MANAGEMENT, user_id=by.pk):
        User.objects.filter(username__startswith="support").update(username="supporter")


@pytest.mark.parametrize("is_waiting", [True, False], ids=["a mail was due", "a mail came later"])
def test_what_is_committed_after_a_mail_was_written_is_told_by_the_next(
    is_waiting: bool, committed_world: World
) -> None:
    manager, other = committed_world.users["management"], committed_world.users["other_management"]
    if is_waiting:
        rename(by=other)
    with left_open(manager, lambda: make_manager("late")):
        if not is_waiting:
            rename(by=other)
        told = news()["other_management@epic.example"]
        assert "supporter" in told and "late (account" not in told
    told = news()["other_management@epic.example"]
    assert "late (account" in told and "supporter" not in told
    assert not Mail.objects.filter(kind="account_news").waiting().exists()


def test_what_happens_while_the_mail_server_takes_a_mail_is_told_by_the_next(
    committed_world: World, monkeypatch: Any
) -> None:
    send, manager = EmailBackend.send_messages, committed_world.users["management"]

    def slow(backend: Any, messages: Any) -> Any:
        def act() -> None:
            with acting_as(Role.MANAGEMENT, user_id=manager.pk):
                make_manager("late")

        monkeypatch.undo()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(alone(act)).result(timeout=30)
        return send(backend, messages)

    rename(by=committed_world.users["other_management"])
    Mail.objects.exclude(user=manager).delete()
    monkeypatch.setattr(EmailBackend, "send_messages", slow)
    assert deliver(timedelta(minutes=1))
    assert "late (account" in news()["management@epic.example"]


def test_what_one_mail_tells_no_other_tells_again(committed_world: World) -> None:
    manager = committed_world.users["management"]
    for number in range(3):
        with acting_as(Role.MANAGEMENT, user_id=manager.pk):
            make_manager(f"new{number}")
    messages = [message for message in sent() if message.subject.startswith("News of accounts")]
    assert sorted(message.to[0] for message in messages) == ["management@epic.example", "other_management@epic.example"]
    assert all(f"new{number} (account" in str(message.body) for message in messages for number in range(3))
    assert not Mail.objects.filter(kind="account_news").waiting().exists()


def by_form(world: World, visit: Any, tmp_path: Path) -> None:
    form = {"username": "sales", "role": "sales", "is_active": "on", "email": OLD, "first_name": "Corrected"}
    assert visit("management").post(page_of(world.users["sales"]), form).status_code == 302


def by_command(world: World, visit: Any, tmp_path: Path) -> None:
    run_import(tmp_path / "people.csv", lines("sales,Corrected", header="username,first_name"))


def by_sql(world: World, visit: Any, tmp_path: Path) -> None:
    with acting_as(Role.MANAGEMENT, user_id=world.users["management"].pk), connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_user SET first_name = 'Corrected' WHERE username = 'sales'")


@pytest.mark.parametrize(
    ("rename_sales", "by"), [(by_form, "management"), (by_sql, "management"), (by_command, "a command on the server")]
)
def test_a_display_name_that_another_user_gives_is_told_to_managers(
    rename_sales: Any, by: str, world: World, visit: Any, tmp_path: Path
) -> None:
    rename_sales(world, visit, tmp_path)
    assert account("sales").first_name == "Corrected"
    told = news()
    assert set(told) == {"management@epic.example", "other_management@epic.example"}
    for body in told.values():
        assert f"sales (account {world.users['sales'].pk}): another display name, by {by}" in body
        assert "Corrected" not in body


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"is_active": False}, "another display name"),
        ({"role": "external"}, "another display name"),
        ({"role": "management"}, "became a manager, and another display name"),
        ({"username": "seller"}, "was called sales before, and another display name"),
        ({"email": NEW}, "another display name"),
    ],
)
def test_a_display_name_is_told_together_with_what_else_changes(
    change: dict[str, Any], told: str, world: World
) -> None:
    switch(world, change | {"first_name": "Another"}, name="sales")
    key = world.users["sales"].pk
    assert f"(account {key}): {told}, by management" in news()["other_management@epic.example"]


def test_another_display_name_hides_none_that_somebody_else_gave(world: World, sales: Caller) -> None:
    switch(world, {"first_name": "Another"}, name="sales")
    sales.patch(API + "users/me/", {"first_name": "Helen"})
    body = news()["other_management@epic.example"]
    for name in ("management", "sales"):
        assert f"another display name, by {name} (account {world.users[name].pk})" in body


def test_new_display_names_of_many_hide_none_of_a_manager(world: World) -> None:
    people = [newcomer(f"person{number}").pk for number in range(60)]
    sent()
    manager = world.users["management"]
    with acting_as(Role.MANAGEMENT, user_id=manager.pk):
        User.objects.filter(pk__in=people).update(first_name="Noise")
        User.objects.filter(username="other_management").update(first_name="Noise")
        User.objects.filter(username="support").update(role="management")
    body = news()["other_management@epic.example"]
    assert "support (account " in body and "became a manager" in body
    key = world.users["other_management"].pk
    assert f"other_management (account {key}): another display name, by management" in body
    assert f"\n- and 51 more by management (account {manager.pk}): display names\n" in body


@pytest.mark.parametrize(
    ("change", "error"),
    [({"is_active": False}, "The account is inactive."), ({"role": "sales"}, "The account is no manager's any more.")],
)
def test_who_is_no_manager_any_more_gets_no_news(
    change: dict[str, Any], error: str, world: World, sales: Caller
) -> None:
    sales.patch(API + "users/me/", {"last_name": "A"})
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="other_management").update(**change)
    assert set(news()) == {"management@epic.example"}
    assert Mail.objects.get(user=world.users["other_management"]).error == error


# --- who makes the others no managers for a while


def switch(world: World, change: dict[str, Any], *, name: str = "other_management") -> None:
    with acting_as(Role.MANAGEMENT, user_id=world.users["management"].pk):
        User.objects.filter(pk=world.users[name].pk).update(**change)


def unmade() -> list[str]:
    return [message.to[0] for message in sent() if "lost its rights" in message.subject]


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": "sales"}])
def test_a_manager_who_is_unmade_is_told_at_once(change: dict[str, Any], world: World) -> None:
    switch(world, change)
    assert unmade() == ["other_management@epic.example"]
    switch(world, {"is_active": True, "role": "management"})
    assert unmade() == []


def test_nobody_else_is_told_of_an_account_of_their_own(world: World) -> None:
    for name in ("sales", "support"):
        switch(world, {"is_active": False}, name=name)
    with acting_as(Role.SUPERUSER):  # a command on the server
        User.objects.filter(username="other_management").update(is_active=False)
    assert unmade() == []


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": "sales"}])
def test_alerts_that_a_manager_missed_are_news_once_the_account_is_a_managers_again(
    change: dict[str, Any], committed_world: World, settings: Any
) -> None:
    world = committed_world
    settings.ALERTS = settings.ALERTS | {"changes": (2, 600)}
    manager = world.users["management"]

    def act(name: str) -> None:
        with acting_as(Role.MANAGEMENT, user_id=world.users[name].pk):
            for number in range(2):
                Client.objects.filter(pk=world.own_client.pk).update(company_name=f"{name} {number}")
        assert send_alerts()

    act("superuser")
    news()
    switch(world, change)
    act("management")
    assert "2 times" not in "".join(news().values())
    switch(world, {"is_active": True, "role": "management"})
    told = news()
    sentence = f"Clients, contracts and events were changed 2 times by management (account {manager.pk}) (alert "
    assert told["other_management@epic.example"].count(" times by ") == 1
    assert sentence in told["other_management@epic.example"]
    assert "times by" not in told["management@epic.example"], "who was mailed the alert has it"
    with acting_as(Role.MANAGEMENT, user_id=manager.pk):
        make_manager("late")
    assert "times by" not in "".join(news().values()), "told once"


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": "sales"}])
def test_whoever_had_no_news_before_misses_no_alert_either(
    change: dict[str, Any], committed_world: World, settings: Any, monkeypatch: Any
) -> None:
    """However long the account was no manager's."""
    settings.ALERTS = settings.ALERTS | {"changes": (2, 600)}
    world = committed_world
    switch(world, change)
    with acting_as(Role.MANAGEMENT, user_id=world.users["management"].pk):
        for number in range(2):
            Client.objects.filter(pk=world.own_client.pk).update(company_name=f"Company {number}")
    assert send_alerts()
    sent()
    with acting_as(Role.MANAGEMENT, user_id=world.users["management"].pk):
        make_manager("meanwhile")
    sent()
    monkeypatch.setattr(writing, "_FIRST_PERIOD", timedelta(0))
    switch(world, {"is_active": True, "role": "management"})
    told = news()["other_management@epic.example"]
    assert "changed 2 times by management" in told
    assert "meanwhile (account" in told


def test_the_last_news_of_each_manager_are_kept(world: World, sales: Caller) -> None:
    """Else the next ones would be the first again, and tell of a day."""
    for number in range(2):
        sales.patch(API + "users/me/", {"last_name": f"A{number}"})
        Mail.objects.filter(sent_at=None).update(due_at=timezone.now())
        assert len(news()) == 2
    Mail.objects.update(sent_at=F("sent_at") - timedelta(days=100))
    last = [Mail.objects.filter(user__username=name).latest("pk").pk for name in ("management", "other_management")]
    purge_expired()
    assert sorted(Mail.objects.values_list("pk", flat=True)) == sorted(last)


def test_news_of_many_alerts_are_not_long(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(writing, "MAX_LINES", 3)
    with acting_as_login_role():
        for number in range(5):
            Alert.objects.create(
                kind="exports",
                count=3,
                first_at=timezone.now(),
                last_at=timezone.now(),
                seen="1:1: 0",
                previous_id=number,
            )
    with acting_as(Role.MANAGEMENT, user_id=world.users["management"].pk):
        make_manager("late")
    body = news()["other_management@epic.example"]
    assert body.count("Accounts were exported 3 times") == 3 and "\n- and 2 more alerts\n" in body


def delete(world: World, *, role: Role = Role.MANAGEMENT) -> None:
    with acting_as(role, user_id=world.users["management"].pk):
        User.objects.filter(username="other_management").delete()


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": "sales"}])
def test_a_managers_account_is_deleted_once_its_owner_was_told(change: dict[str, Any], world: World) -> None:
    with pytest.raises(DatabaseError, match="Deactivate the account of a manager or auditor before you delete it"):
        delete(world)
    switch(world, change)
    with pytest.raises(DatabaseError, match="wait until its owner was told"):
        delete(world)
    assert unmade() == ["other_management@epic.example"]
    delete(world)
    assert not User.objects.filter(username="other_management").exists()


def test_a_superuser_deletes_it_at_once(world: World) -> None:
    delete(world, role=Role.SUPERUSER)
    assert not User.objects.filter(username="other_management").exists()


def test_a_manager_who_has_not_come_yet_is_deleted_at_once(world: World) -> None:
    newcomer("fresh", role=Role.MANAGEMENT)
    with acting_as(Role.MANAGEMENT, user_id=world.users["management"].pk):
        assert User.objects.filter(username="fresh").delete()[0]


# --- who becomes an auditor, or a colleague, by making the account anew


def test_an_auditors_account_is_deleted_once_its_owner_was_told(world: World) -> None:
    with acting_as(Role.MANAGEMENT, user_id=world.users["management"].pk):
        with pytest.raises(DatabaseError, match="Deactivate the account of a manager or auditor"), transaction.atomic():
            User.objects.filter(username="auditor").delete()
    switch(world, {"is_active": False}, name="auditor")
    assert unmade() == ["auditor@epic.example"]


@pytest.mark.parametrize(("role", "line"), [("auditor", "became an auditor"), ("external", "is an auditor no more")])
def test_who_becomes_an_auditor_or_is_one_no_more_is_news_at_once(role: str, line: str, world: World) -> None:
    switch(world, {"role": role}, name="sales" if role == "auditor" else "auditor")
    assert line in news()["other_management@epic.example"]


def test_an_account_that_is_made_anew_is_news_at_once(world: World) -> None:
    newcomer("leaver")
    with acting_as(Role.MANAGEMENT, user_id=world.users["management"].pk):
        User.objects.filter(username="leaver").delete()
        User.objects.create(username="unlike", role=Role.SUPPORT, password="!")
    assert news() == {}
    with acting_as(Role.MANAGEMENT, user_id=world.users["management"].pk):
        User.objects.create(username="leaver", role=Role.SUPPORT, password="!")
    told = news()
    assert set(told) == {"management@epic.example", "other_management@epic.example"}
    assert "a new account under the username of a deleted one, by management" in told["management@epic.example"]
    assert "unlike" not in told["management@epic.example"]


# --- who has mails sent to strangers


def test_addresses_that_a_manager_chooses_get_a_notice_a_day(world: World) -> None:
    fresh = newcomer("fresh", role=Role.AUDITOR)
    sent()
    for number in range(5):
        with acting_as(Role.MANAGEMENT, user_id=world.users["management"].pk):
            User.objects.filter(pk=fresh.pk).update(email=f"stranger{number}@victim.example")
    assert [one.to for one in sent() if "victim" in one.to[0] or "fresh" in one.to[0]] == [["fresh@epic.example"]]


def test_an_owner_gets_three_mails_a_day_of_rights_that_are_lost(world: World) -> None:
    for _ in range(5):
        switch(world, {"role": "sales"})
        switch(world, {"role": "management"})
    assert unmade() == ["other_management@epic.example"] * 3


def fill(address: str) -> None:
    """A manager has all mails of a day sent to an address, by inviting accounts that get it."""
    for number in range(6):
        Mail.objects.create(kind="invitation", user=newcomer(f"puppet{number}", email=address))
    assert [one.to for one in sent() if one.subject == "Your account at Epic Events CRM"] == [[address]] * 6


def unmake(user: User) -> None:
    with acting_as(Role.MANAGEMENT, user_id=User.objects.get(username="management").pk):
        User.objects.filter(pk=user.pk).update(is_active=False, email="")


def correct(user: User) -> None:
    with acting_as(Role.MANAGEMENT, user_id=User.objects.get(username="management").pk):
        User.objects.filter(pk=user.pk).update(email=NEW)


def confirm_another(user: User) -> None:
    move(user.username, NEW)


def bind(user: User) -> None:
    with acting_as(Role.SUPERUSER, user_id=User.objects.get(username="superuser").pk):
        ExternalIdentity.objects.create(user=user, issuer="https://idp.example", subject="s")


def bind_and_take_away(user: User) -> None:
    bind(user)
    with acting_as(Role.MANAGEMENT, user_id=User.objects.get(username="management").pk):
        ExternalIdentity.objects.filter(user=user).delete()


@pytest.mark.parametrize(
    ("act", "kinds"),
    [
        (unmake, {"address_changed", "manager_unmade"}), (confirm_another, {"address_changed", "address_notice"}),
        (correct, {"address_notice"}), (bind, {"identity_bound"}), (bind_and_take_away, {"identity_removed"}),
    ],
)  # fmt: skip
def test_many_mails_to_a_confirmed_address_hide_nothing_from_it(act: Any, kinds: set[str], world: World) -> None:
    """The address is taken away before the worker writes the mails: it was confirmed when they were queued."""
    colleague = world.users["other_management"]
    fill(colleague.email)
    act(colleague)
    unmake(colleague)
    named = "your account other_management in Epic Events CRM"
    told = {one.subject for one in sent() if one.to == [colleague.email] and named in one.body}
    mails = Mail.objects.filter(user=colleague, address=colleague.email)
    assert kinds <= set(mails.exclude(sent_at=None).values_list("kind", flat=True))
    assert not mails.filter(sent_at=None).exists()
    assert len(told) == mails.values("kind").distinct().count()


@pytest.mark.parametrize("is_full", [True, False])
def test_many_mails_to_an_address_that_was_never_confirmed_are_its_last(is_full: bool, world: World) -> None:
    fresh = newcomer("fresh", role=Role.AUDITOR)
    if is_full:
        fill(fresh.email)
    correct(fresh)
    bodies = [str(one.body) for one in sent() if one.to == [fresh.email]]
    assert len(bodies) == (not is_full) and all(body.startswith("Hello,\n") for body in bodies)
    error = "This address was sent many mails within a day, and nobody has confirmed it." if is_full else ""
    assert Mail.objects.get(kind="address_changed").error == error


def keep(puppet: User) -> None:
    """Leaves the account of an invited stranger as it is."""


def move_on(puppet: User) -> None:
    with acting_as(Role.SUPERUSER):
        User.objects.filter(pk=puppet.pk).update(email=f"gone{puppet.pk}@epic.example")


def delete_puppet(puppet: User) -> None:
    with acting_as(Role.SUPERUSER):
        User.objects.filter(pk=puppet.pk).delete()


@pytest.mark.parametrize("afterwards", [keep, move_on, delete_puppet])
def test_an_address_that_nobody_confirmed_gets_six_mails_a_day(afterwards: Any, world: World) -> None:
    mailed = 0
    for number in range(8):
        puppet = newcomer(f"puppet{number}", email="Stranger@victim.example")
        Mail.objects.create(kind="invitation", user=puppet)
        mailed += [one.to for one in sent()].count(["Stranger@victim.example"])
        afterwards(puppet)
    assert mailed == 6


def test_after_the_restore_of_a_dump_news_are_told_once(committed_world: World) -> None:
    """The entries of the other cluster have higher transaction ids than any of this one."""
    for number in range(3):
        with acting_as(Role.MANAGEMENT, user_id=committed_world.users["management"].pk):
            User.objects.create(username=f"made{number}", role=Role.MANAGEMENT, password="!")
        told = news()["other_management@epic.example"]
        assert [f"made{one} (account " in told for one in range(3)] == [one == number for one in range(3)]
        if number == 0:
            move_the_trail_here()


def test_new_accounts_displace_no_account_that_was_there(world: World) -> None:
    with acting_as(Role.MANAGEMENT, user_id=world.users["management"].pk):
        for number in range(12):
            User.objects.create(username=f"decoy{number}", role=Role.MANAGEMENT, password="!")
        User.objects.filter(username="support").update(role=Role.MANAGEMENT)
    assert "support (account " in news()["other_management@epic.example"]


@pytest.mark.parametrize("are_renamed", [False, True])
def test_news_of_many_new_accounts_cost_their_number(are_renamed: bool, committed_world: World, migrator: Any) -> None:
    manager = committed_world.users["management"]
    with acting_as(Role.MANAGEMENT, user_id=manager.pk):
        User.objects.bulk_create(User(username=f"new{number}", role=Role.SALES, password="!") for number in range(400))
        if are_renamed:
            User.objects.filter(username__startswith="new").update(first_name="Another")
            assert Mail.objects.filter(kind="account_news").count() == 2
    migrator.cursor().execute("ANALYZE audit.entry")
    mail = Mail(kind="account_news", user=manager, created_at=timezone.now())
    with transaction.atomic():
        before = rows_read()["entry"]
        writing.news_for(mail)
        assert rows_read()["entry"] - before < 20 * 400
