"""In the admin site a manager invites and sends links, sees what became of them, and sets nobody's password."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail as django_mail
from django.utils import timezone

from access.database import acting_as
from access.policy import Role
from accounts.models import Mail, User
from accounts.outbox.delivery import deliver
from accounts.tests.people import newcomer
from conftest import PASSWORD, Caller, Visitor, World

ADMIN = "/hidden-admin/"
USERS, MAILS = ADMIN + "accounts/user/", ADMIN + "accounts/mail/"
GOOD = "seven quiet lanterns"
NEW = {
    "username": "Newcomer",
    "role": "support",
    "first_name": "New",
    "last_name": "Comer",
    "email": "new@epic.example",
}


def stored(name: str) -> User:
    return User.objects.defer(None).get(username=name)


def told(page: Any) -> str:
    return " ".join(re.findall(r'<li class="(?:success|warning|error)">(.*?)</li>', page.content.decode()))


def act(browser: Visitor, action: str, *rows: Any, page: str = USERS) -> str:
    form = {"action": action, "_selected_action": [row.pk for row in rows]}
    return told(browser.confirm(page, form, follow=True))


def test_a_new_account_is_invited_and_chooses_its_own_password(world: World, visit: Any) -> None:
    manager = visit("management")
    form = manager.get(USERS + "add/").content.decode()
    assert 'type="password"' not in form and "usable_password" not in form
    response = manager.post(USERS + "add/", NEW)
    assert response.status_code == 302, response.context["adminform"].form.errors
    newcomer = stored("newcomer")
    assert (newcomer.role, newcomer.has_usable_password()) == ("support", False)
    assert list(Mail.objects.values_list("kind", "user", "address")) == [("invitation", newcomer.pk, "")]
    deliver(timedelta(minutes=1))
    link = re.findall(r"http://127\.0\.0\.1:8000(/\S+)", django_mail.outbox[0].body)[0]
    person = Visitor()
    assert person.post(person.get(link).url, {"new_password1": GOOD, "new_password2": GOOD}).status_code == 302
    assert Caller().post("/api/v1/users/login/", {"username": "newcomer", "password": GOOD}).status_code == 200


def test_a_new_account_needs_an_address(world: World, visit: Any) -> None:
    page = visit("management").post(USERS + "add/", NEW | {"email": ""})
    assert page.context["adminform"].form.errors == {"email": ["This field is required."]}
    assert not Mail.objects.exists()


def test_no_mail_without_its_account(world: World, visit: Any) -> None:
    visit("management").post(USERS + "add/", NEW | {"username": "sales"})
    assert not Mail.objects.exists()


@pytest.mark.parametrize("name", ["management", "superuser"])
def test_forms_that_nobody_was_shown_set_no_password(name: str, world: World, visit: Any) -> None:
    forged = {"password": GOOD, "password1": GOOD, "password2": GOOD, "new_password1": GOOD, "new_password2": GOOD, "usable_password": "true", "set-password": "1"}  # fmt: skip
    before = stored("sales").password
    browser = visit(name)
    browser.post(USERS + "add/", NEW | forged)
    assert not stored("newcomer").has_usable_password()
    sales = world.users["sales"]
    form = {"username": "sales", "role": "sales", "is_active": "on", "email": "sales@epic.example"}
    assert browser.post(f"{USERS}{sales.pk}/change/", form | forged).status_code == 302
    for page in (f"{USERS}{sales.pk}/password/", f"{USERS}{sales.pk}/change/password/"):
        assert browser.post(page, forged, follow=True).status_code in (200, 404)
    assert stored("sales").password == before
    assert Caller().post("/api/v1/users/login/", {"username": "sales", "password": PASSWORD}).status_code == 200


def test_a_manager_sends_a_link_to_those_who_may_have_one(world: World, visit: Any) -> None:
    people = world.users
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="support").update(is_active=False)
        User.objects.filter(username="other_support").update(email="")
    rows = [people[name] for name in ("sales", "support", "other_support", "superuser", "auditor")]
    said = act(visit("management"), "send_reset", *rows)
    queued = Mail.objects.filter(kind="password_reset")
    assert queued.count() == 2
    assert set(queued.values_list("user__username", flat=True)) == {"sales", "auditor"}
    for words in (
        "2 will get a link.",
        "1 left out: inactive.",
        "1 left out: no email address.",
        "1 left out: not yours to change.",
    ):
        assert words in said
    assert "Queued a mail: password reset." in visit("management").get(ADMIN + "admin/logentry/").content.decode()


def test_an_invitation_is_sent_again_to_who_never_set_a_password(world: World, visit: Any) -> None:
    said = act(visit("management"), "send_invitation", newcomer(), world.users["support"])
    assert list(Mail.objects.values_list("kind", "user__username")) == [("invitation", "newcomer")]
    assert "1 will get a link." in said and "1 left out: a password has been set." in said


def test_an_auditor_sends_nothing(world: World, visit: Any) -> None:
    assert b"send_reset" not in visit("auditor").get(USERS).content
    for action in ("send_reset", "send_invitation"):
        act(visit("auditor"), action, world.users["sales"])
    assert not Mail.objects.exists()


@pytest.fixture
def dead(world: World) -> Mail:
    return Mail.objects.create(
        kind="invitation", user=world.users["sales"], address="elsewhere@epic.example", attempts=8, error="SMTPServerDisconnected",
        given_up_at=timezone.now(),
    )  # fmt: skip


def test_a_dead_letter_is_seen_and_sent_again(dead: Mail, world: World, visit: Any) -> None:
    waiting = Mail.objects.create(kind="invitation", user=world.users["support"])
    manager = visit("management")
    for query in ("", "?state=given_up", "?kind__exact=invitation", "?q=sales"):
        assert "SMTPServerDisconnected" in manager.get(MAILS + query).content.decode(), query
    for query in ("?state=waiting", "?state=sent", "?q=support"):
        assert "SMTPServerDisconnected" not in manager.get(MAILS + query).content.decode(), query
    said = act(manager, "send_again", dead, waiting, page=MAILS)
    assert "1 will be sent again." in said and "1 left alone: not given up." in said
    dead.refresh_from_db()
    assert (dead.given_up_at, dead.attempts, dead.error) == (None, 0, "")


def test_who_may_read_mails_but_not_send_them_is_shown_no_address(dead: Mail, world: World, visit: Any) -> None:
    page = f"{MAILS}{dead.pk}/change/"
    assert "elsewhere@epic.example" in visit("management").get(page).content.decode()
    assert "elsewhere@epic.example" not in visit("auditor").get(page).content.decode()
    assert "send_again" not in visit("auditor").get(MAILS).content.decode()
    act(visit("auditor"), "send_again", dead, page=MAILS)
    dead.refresh_from_db()
    assert dead.given_up_at


@pytest.mark.parametrize("name", ["management", "superuser", "auditor"])
def test_nobody_writes_a_mail_by_hand(name: str, dead: Mail, visit: Any) -> None:
    forged = {"kind": "password_reset", "user": dead.user_id, "address": "mine@evil.example", "post": "yes"}
    for page in (f"{dead.pk}/change/", f"{dead.pk}/delete/", "add/"):
        assert visit(name).post(MAILS + page, forged).status_code == 403
    assert Mail.objects.get().address == "elsewhere@epic.example"


# One's own password


@pytest.mark.parametrize("name", ["management", "auditor", "superuser"])
def test_staff_change_their_own_password_there(name: str, world: World, visit: Any, anonymous: Caller) -> None:
    browser = visit(name)
    page = ADMIN + "password_change/"
    assert browser.get(page).status_code == 200
    form = {"old_password": PASSWORD, "new_password1": GOOD, "new_password2": GOOD}
    assert browser.post(page, form).url == page + "done/"
    assert browser.get(page + "done/").status_code == 200, "still logged in"
    assert anonymous.post("/api/v1/users/login/", {"username": name, "password": GOOD}).status_code == 200
    assert "hidden-admin" in browser.get(ADMIN).content.decode()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("wrong", GOOD, "Your old password was entered incorrectly"), (PASSWORD, "four lamps go", "Use at least 15 characters"),
        (PASSWORD, "x" * 1025, "at most 1,024 bytes"), ("x" * 1025, GOOD, "Your old password was entered incorrectly"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["management", "auditor"])
def test_a_change_that_will_not_do_is_told(name: str, old: str, new: str, words: str, world: World, visit: Any) -> None:
    before = stored(name).password
    form = {"old_password": old, "new_password1": new, "new_password2": new}
    page = visit(name).post(ADMIN + "password_change/", form)
    assert words in page.content.decode()
    assert stored(name).password == before
