"""One's own address: asked for with the password, confirmed by the link that went there, and told to the old one."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.core import signing
from django.db import DatabaseError, transaction
from django.utils import timezone

from access.database import acting_as, acting_as_login_role, enter, leave
from access.policy import Role
from accounts.models import AddressChange, ExternalIdentity, Mail, User
from accounts.tests.people import account, link_to, move, newcomer, sent
from api.tests.test_at_once import alone, wait_for_a_blocked_statement
from conftest import API, CAST, PASSWORD, PATIENCE, PRIVILEGE, STATE, Caller, Visitor, World, refused_with

EMAIL, ME = API + "users/me/email/", API + "users/me/"
OLD, NEW = "sales@epic.example", "elsewhere@epic.example"


def ask(caller: Caller, address: str = NEW, password: str = PASSWORD) -> Any:
    return caller.post(EMAIL, {"email": address, "password": password})


def forgotten(typed: str) -> list[list[str]]:
    Visitor().post("/account/forgotten/", {"account": typed})
    return [message.to for message in sent() if "new password" in message.subject]


@pytest.mark.parametrize("name", CAST)
def test_an_address_changes_once_it_is_confirmed(name: str, world: World, caller: Any) -> None:
    old, person = f"{name}@epic.example", caller(name)
    answer = ask(person)
    assert (answer.status_code, answer.json()["email"]) == (202, NEW)
    assert person.get(ME).json()["email"] == old
    messages = sent()
    assert sorted(message.to for message in messages) == sorted([[NEW], [old]])
    assert forgotten(NEW) == []
    assert forgotten(old) == [[old]]

    link, browser = link_to(NEW, messages), Visitor()
    for _ in range(2):  # looking changes nothing
        page = browser.get(link)
        assert (page.status_code, NEW in page.content.decode(), b"password of" in page.content.lower()) == (
            200,
            True,
            False,
        )
    assert person.get(ME).json()["email"] == old
    assert browser.post(link).url == "/account/address/done/"
    assert browser.get("/account/address/done/").status_code == 200
    assert person.get(ME).json()["email"] == NEW
    assert User.objects.get(username=name).email_confirmed_at
    assert not AddressChange.objects.exists()
    for method in ("get", "post"):
        page = getattr(browser, method)(link)
        assert (page.status_code, b"clicked twice? Then it may have worked" in page.content) == (404, True)
    Mail.objects.all().delete()
    assert forgotten(old) == []
    assert forgotten(NEW) == [[NEW]]


def test_the_mails_hold_no_word_of_anybody_else(world: World) -> None:
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="sales").update(first_name="Buy cheap", last_name="pills now")
    sent()  # news of the display name
    ask(Caller.as_user(world.users["sales"]))
    for message in sent():
        text = f"{message.subject}\n{message.body}"
        assert "pills" not in text and "Buy" not in text
        assert ("sales" in text, "/account/address/" in text) == (message.to == [OLD], True)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"email": NEW}, "#/password"),
        ({"password": PASSWORD}, "#/email"),
        ({"email": "", "password": PASSWORD}, "#/email"),
        ({"email": "nobody", "password": PASSWORD}, "#/email"),
        ({"email": "x" * 65 + "@epic.example", "password": PASSWORD}, "#/email"),
        ({"email": "a\u200bb@epic.example", "password": PASSWORD}, "#/email"),
        ({"email": "a\x00b@epic.example", "password": PASSWORD}, "#/email"),
        ({"email": "a@xn--a.example", "password": PASSWORD}, "#/email"),
        ({"email": "SALES@Epic.example", "password": PASSWORD}, "#/email"),
        ({"email": NEW, "password": PASSWORD, "username": "boss"}, "#/username"),
        ({"email": NEW, "password": "x" * 2000}, "#/password"),
    ],
)
def test_a_wrong_body_is_named_and_asks_for_nothing(
    body: dict[str, str], pointer: str, world: World, sales: Caller
) -> None:
    answer = sales.post(EMAIL, body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, pointer)
    assert not AddressChange.objects.exists() and not Mail.objects.exists()


def test_a_wrong_password_is_counted_as_on_the_way_to_a_new_one(world: World, sales: Caller, settings: Any) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"own_password": (3, 86_400)}
    for _ in range(3):
        answer = ask(sales, password="a wrong passphrase")
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "wrong")
    assert ask(sales).status_code == 429
    change = {"old_password": PASSWORD, "new_password": "seven quiet lanterns"}
    assert sales.post(ME + "password/", change).status_code == 429
    assert not Mail.objects.exists()


def test_a_stolen_token_alone_takes_no_account(world: World, sales: Caller) -> None:
    assert sales.patch(ME, {"email": "thief@epic.example"}).status_code == 400
    assert sales.post(EMAIL, {"email": "thief@epic.example"}).status_code == 400
    with pytest.raises(DatabaseError), transaction.atomic():
        enter(Role.SALES, user_id=world.users["sales"].pk)
        User.objects.filter(username="sales").update(email="thief@epic.example")
    assert forgotten("thief@epic.example") == []


PAGE = "/hidden-admin/email/"


def test_a_stolen_session_alone_takes_no_account(world: World) -> None:
    """Neither by one's own row among the accounts, nor by a list, nor by SQL: only the password asks for an address."""
    thief, own = Visitor(), world.users["management"]
    thief.force_login(own)
    address = f"/hidden-admin/accounts/user/{own.pk}/change/"
    assert 'name="email"' not in thief.get(address).content.decode()
    thief.post(address, {"username": "management", "role": "management", "email": NEW, "first_name": "Ann"})
    assert thief.post(PAGE, {"email": NEW, "password": "wrong"}).status_code == 200
    for sql in (
        lambda: User.objects.filter(pk=own.pk).update(email=NEW),
        lambda: User.objects.filter(pk=own.pk).update(email=""),
        lambda: AddressChange.objects.create(user=own, address=NEW),
    ):
        with refused_with(STATE, PRIVILEGE), transaction.atomic():
            with acting_as(Role.MANAGEMENT, user_id=own.pk):
                sql()
    assert not AddressChange.objects.exists()
    assert account("management").email == "management@epic.example"


@pytest.mark.parametrize("name", ["management", "auditor", "superuser"])
def test_staff_ask_on_a_page_with_their_password(name: str, world: World) -> None:
    browser = Visitor()
    browser.force_login(world.users[name])
    assert "Your email address" in browser.get("/hidden-admin/").content.decode()
    old = account(name).email
    assert (old or "You have no email address") in browser.get(PAGE).content.decode()
    page = browser.post(PAGE, {"email": NEW, "password": PASSWORD})
    assert page.status_code == 302
    messages = sent()
    assert sorted(message.to[0] for message in messages) == sorted({NEW, old} - {""})
    assert Visitor().post(link_to(NEW, messages)).status_code == 302
    assert account(name).email == NEW


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"email": NEW, "password": "wrong"}, "This is not your password."),
        ({"email": "Management@epic.example", "password": PASSWORD}, "This is your address already."),
        ({"email": "no address", "password": PASSWORD}, "Enter a valid email address."),
        ({"email": "", "password": ""}, "This field is required."),
    ],
)
def test_the_page_says_what_is_wrong(form: dict[str, str], sentence: str, world: World) -> None:
    browser = Visitor()
    browser.force_login(world.users["management"])
    assert sentence in browser.post(PAGE, form).content.decode()
    assert not AddressChange.objects.exists()


def test_the_page_has_the_limits_of_the_api(world: World, settings: Any) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"own_password": (3, 86_400), "address_change": (1, 86_400)}
    browser = Visitor()
    browser.force_login(world.users["management"])
    assert browser.post(PAGE, {"email": NEW, "password": PASSWORD}).status_code == 302
    again = browser.post(PAGE, {"email": f"x{NEW}", "password": PASSWORD})
    assert "Too many requests" in again.content.decode()
    for _ in range(3):
        browser.post(PAGE, {"email": f"x{NEW}", "password": "wrong"})
    assert "Too many requests" in browser.post(PAGE, {"email": f"x{NEW}", "password": PASSWORD}).content.decode()


def test_without_a_token_there_is_nothing_to_ask(world: World, anonymous: Caller) -> None:
    assert ask(anonymous).status_code == 401


def test_an_account_of_the_identity_provider_has_no_password_to_ask_with(world: World, sales: Caller) -> None:
    with acting_as(Role.SUPERUSER):
        ExternalIdentity.objects.create(user=world.users["sales"], issuer="https://idp.example", subject="s")
    # Binding an identity ended the password, and with it every login.
    caller = Caller.as_user(User.objects.defer(None).get(username="sales"))
    answer = ask(caller)
    assert (answer.status_code, answer.json()["rule"]) == (409, "user_password_elsewhere")


# Limits


def test_nobody_makes_us_write_to_a_stranger_again_and_again(world: World, partner: Caller) -> None:
    answers = [ask(partner, address).status_code for address in ["stranger@victim.example", "o@epic.example"] * 10]
    assert answers[:4] == [202] * 4
    assert set(answers[4:]) <= {409, 429}
    to = [message.to[0] for message in sent()]
    assert to.count("stranger@victim.example") <= 3
    assert to.count("partner@epic.example") == 3


def test_an_account_asks_for_five_addresses_a_day(world: World, sales: Caller, support: Caller) -> None:
    assert [ask(sales, f"n{number}@epic.example").status_code for number in range(6)] == [202] * 5 + [429]
    assert ask(support).status_code == 202


@pytest.mark.parametrize("spelling", ["Stranger@VICTIM.example", "ｓtranger@victim.example"])
def test_several_accounts_send_a_stranger_three_links_a_day(spelling: str, world: World, caller: Any) -> None:
    address = "stranger@victim.example"
    assert [ask(caller(name), address).status_code for name in ("sales", "support", "partner")] == [202] * 3
    answer = ask(caller("auditor"), spelling)
    assert (answer.status_code, answer.json()["rule"]) == (409, "address_asked_too_often")
    # The limit is no manager's. The worker limits the mails to the stranger, whoever asked.
    to = [message.to[0] for message in sent()]
    for name in ["other_sales", "other_support"] * 3:
        with acting_as(Role.MANAGEMENT, user_id=world.users["management"].pk):
            User.objects.filter(username=name).update(email=address)
        to += [message.to[0] for message in sent()]
        with acting_as_login_role():
            assert AddressChange.objects.filter(user=world.users[name]).delete()[0] == 1
    assert to.count(address) == 6
    with acting_as(Role.SUPERUSER):
        Mail.objects.update(created_at=timezone.now() - timedelta(days=1, minutes=1))
    assert ask(caller("auditor"), spelling).status_code == 202


def test_one_account_leaves_a_link_to_the_owner_of_an_address(world: World, caller: Any) -> None:
    partner, address = caller("partner"), "sonia@own.example"
    assert [ask(partner, address).status_code for _ in range(4)] == [202, 202, 409, 409]
    assert ask(caller("sales"), address).status_code == 202


def test_two_who_ask_for_one_address_at_once_take_turns(committed_world: World, migrator: Any) -> None:
    """Else each would find the links that were sent before, and not the other's."""

    def asked_by(name: str) -> None:
        with acting_as_login_role():
            user = committed_world.users[name]
            leave(user_id=user.pk)
            AddressChange.objects.create(user=user, address=NEW)

    for name in ("support", "partner"):
        asked_by(name)
    with migrator.cursor() as cursor, ThreadPoolExecutor() as pool:
        with transaction.atomic():
            asked_by("sales")
            second = pool.submit(alone(partial(asked_by, "auditor")))
            wait_for_a_blocked_statement(cursor)
        with pytest.raises(DatabaseError, match="several links within a day"):
            second.result(timeout=PATIENCE)
    assert Mail.objects.filter(kind="address_confirmation").count() == 3


def test_the_old_address_is_told_of_three_a_day(world: World, sales: Caller) -> None:
    for number in range(4):
        ask(sales, f"n{number}@epic.example")
    assert [message.to for message in sent()].count([OLD]) == 3
    with acting_as(Role.SUPERUSER):
        Mail.objects.update(created_at=timezone.now() - timedelta(days=1, minutes=1))
    ask(sales)
    assert [OLD] in [message.to for message in sent()]


# Links


def test_asking_again_ends_the_link_before(world: World, sales: Caller) -> None:
    ask(sales)
    first = link_to(NEW, sent())
    ask(sales, "third@epic.example")
    second = link_to("third@epic.example", sent())
    assert Visitor().post(first).status_code == 404
    assert Visitor().post(second).status_code == 302
    assert account("sales").email == "third@epic.example"


def test_a_mail_that_is_late_has_no_link_to_what_is_not_asked_any_more(world: World, sales: Caller) -> None:
    ask(sales)
    ask(sales, "third@epic.example")
    assert [NEW] not in [message.to for message in sent()]
    assert Mail.objects.get(address=NEW).error == "This address isn't asked for any more."


@pytest.mark.parametrize("age", [timedelta(days=6, hours=23), timedelta(days=7, minutes=1)])
def test_a_link_ends_after_seven_days(
    age: timedelta, world: World, sales: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(sales)
    link = link_to(NEW, sent())
    now = signing.time.time
    monkeypatch.setattr(signing.time, "time", lambda: now() + age.total_seconds())
    assert Visitor().get(link).status_code == (200 if age < timedelta(days=7) else 404)


@pytest.mark.parametrize("token", ["x", "1~a~b", "~~", "%00", "1" * 3000, "%F0%9F%92%A9", "done", "1:1tFooo:abc"])
def test_a_made_up_link_is_a_page_that_says_so(token: str, world: World, sales: Caller) -> None:
    ask(sales)
    for method in ("get", "post"):
        page = getattr(Visitor(), method)(f"/account/address/{token}/")
        assert page.status_code in ((200, 405) if token == "done" else (404,))
    assert account("sales").email == OLD


def test_a_deactivated_account_confirms_nothing(world: World, sales: Caller) -> None:
    ask(sales)
    link = link_to(NEW, sent())
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="sales").update(is_active=False)
    assert Visitor().post(link).status_code == 404


NEW_PASSWORD = "seven quiet lanterns"


def password_by_link(thief: Caller) -> None:
    Visitor().post("/account/forgotten/", {"account": "sales"})
    link, browser = link_to(OLD, [message for message in sent() if "new password" in message.subject]), Visitor()
    form = {"new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    assert browser.post(browser.get(link).url, form).status_code == 302


@pytest.mark.parametrize(
    "end",
    [
        lambda owner: owner.post(ME + "password/", {"old_password": PASSWORD, "new_password": NEW_PASSWORD}),
        password_by_link,
        lambda owner: owner.post(API + "users/logout-all/"),
    ],
    ids=["a new password", "a password by link", "logged out everywhere"],
)
def test_what_a_thief_of_the_password_asked_for_ends_with_their_login(end: Any, world: World, sales: Caller) -> None:
    """Else the link that went to the thief moved the address after the owner chose a new password, and with it the account."""
    ask(sales)
    link = link_to(NEW, sent())
    end(sales)
    for method in ("get", "post"):
        assert getattr(Visitor(), method)(link).status_code == 404
    assert account("sales").email == OLD
    assert not AddressChange.objects.exists()


@pytest.mark.parametrize("by_owner", [True, False])
def test_the_notice_says_whether_the_password_was_known(by_owner: bool, world: World, sales: Caller) -> None:
    if by_owner:
        ask(sales)
    else:
        with acting_as(Role.MANAGEMENT, user_id=world.users["management"].pk):
            User.objects.filter(username="sales").update(email=NEW)
    (notice,) = [message for message in sent() if message.to == [OLD]]
    assert ("choose another password, since whoever asked knew yours" in str(notice.body)) is by_owner


def test_what_a_manager_asked_for_outlives_a_new_password(world: World, sales: Caller) -> None:
    """It takes the password of the account, the new one by then."""
    with acting_as(Role.MANAGEMENT, user_id=world.users["management"].pk):
        User.objects.filter(username="sales").update(email=NEW)
    link = link_to(NEW, sent())
    sales.post(ME + "password/", {"old_password": PASSWORD, "new_password": NEW_PASSWORD})
    assert Visitor().post(link, {"password": PASSWORD}).status_code == 200
    assert Visitor().post(link, {"password": NEW_PASSWORD}).status_code == 302
    assert account("sales").email == NEW


def test_the_login_role_confirms_for_the_owner_alone(world: World, sales: Caller) -> None:
    ask(sales)
    change = AddressChange.objects.get()
    for user_id in (None, world.users["support"].pk):
        with pytest.raises(DatabaseError, match="Another manager"), transaction.atomic():
            leave(user_id=user_id)
            change.confirm()


# The first password


def test_using_an_invitation_confirms_the_address_it_went_to(world: World) -> None:
    user = newcomer(email="first@epic.example")
    assert (user.is_claimed, User.objects.get(pk=user.pk).email_confirmed_at) == (False, None)
    with acting_as(Role.MANAGEMENT):
        User.objects.filter(pk=user.pk).update(email="second@epic.example")  # a slip of the pen is mended at once
        Mail.objects.create(kind="invitation", user=user)
    assert forgotten("second@epic.example") == []  # only the invitation goes to an address that nobody has confirmed
    assert not Mail.objects.filter(kind="password_reset").exists()
    with acting_as(Role.MANAGEMENT):
        Mail.objects.create(kind="invitation", user=user)
    messages = sent()
    browser = Visitor()
    page = browser.get(link_to("second@epic.example", messages)).url
    chosen = {"new_password1": "seven quiet lanterns", "new_password2": "seven quiet lanterns"}
    assert browser.post(page, chosen).status_code == 302
    user = User.objects.get(pk=user.pk)
    assert (user.is_claimed, user.email_confirmed_at is not None) == (True, True)
    assert forgotten("second@epic.example") == [["second@epic.example"]]


def test_confirmed_addresses_move_and_nothing_else_does(world: World) -> None:
    before = User.objects.filter(username="sales").values("username", "role", "is_active", "is_claimed").get()
    move("sales", NEW)
    assert User.objects.filter(username="sales").values("username", "role", "is_active", "is_claimed").get() == before
    assert account("sales").email == NEW


@pytest.mark.parametrize(
    "typed",
    [
        "Sales@lumière.example", "sales@lumie\u0300re.example", "SALES@LUMIÈRE.EXAMPLE", "sales@xn--lumire-6ua.example",
        "ｓａｌｅｓ＠ｌｕｍｉèｒｅ．ｅｘａｍｐｌｅ", "\u017fales@lumière.example", " sales@lumière.example\u200b",
    ],
)  # fmt: skip
def test_whoever_forgot_the_password_spells_the_address_as_they_like(typed: str, world: World) -> None:
    move("sales", "Sales@lumière.example")
    Mail.objects.all().delete()
    assert forgotten(typed) == [["Sales@xn--lumire-6ua.example"]]
