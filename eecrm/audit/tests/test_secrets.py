"""The whole life of an account, and no secret of it anywhere on the trail."""

import re
from datetime import timedelta
from io import StringIO
from typing import Any

from django.contrib.sessions.models import Session
from django.core import mail as django_mail
from django.core.management import call_command
from django.db import connection
from django_otp.plugins.otp_static.models import StaticToken

from access.database import acting_as
from access.policy import Role
from accounts.models import AuthenticatorApp, LinkRequest, User
from accounts.outbox.delivery import deliver
from accounts.tests.conftest import Phone, visit  # noqa: F401  # a fixture
from conftest import API, PASSWORD, Caller, Visitor, World

SITE = "/hidden-admin/"
FIRST, SECOND, THIRD, MISTYPED = "first quiet lantern", "second quiet lantern", "third quiet lantern", "my secret word"


def follow_the_mail(password: str) -> str:
    while deliver(timedelta(minutes=1)):
        pass
    link = re.findall(r"http://127\.0\.0\.1:8000(/\S+)", django_mail.outbox[-1].body)[0]
    person = Visitor()
    page = person.get(link).url
    assert person.post(page, {"new_password1": password, "new_password2": password}).status_code == 302
    return str(link.rstrip("/").split("/")[-1])


def hashes() -> set[str]:
    return set(User.objects.values_list("password", flat=True))


def test_no_secret_is_on_the_trail(world: World, visit: Any, settings: Any) -> None:
    settings.SECOND_FACTOR = "required"
    secrets = {FIRST, SECOND, THIRD, MISTYPED, PASSWORD} | hashes()
    manager = visit("superuser")
    settings.SECOND_FACTOR = "optional"
    new = {"username": "newcomer", "role": "management", "email": "new@epic.example"}
    assert manager.post(SITE + "accounts/user/add/", new).status_code == 302
    secrets |= hashes() | {follow_the_mail(FIRST)} | hashes()

    pair = Caller().post(API + "users/login/", {"username": "newcomer", "password": FIRST}).json()
    secrets |= {pair["access"], pair["refresh"]}
    pair = Caller().post(API + "users/refresh/", {"refresh": pair["refresh"]}).json()
    secrets |= {pair["access"], pair["refresh"]}
    me = Caller(HTTP_AUTHORIZATION=f"Bearer {pair['access']}")
    passwords = {"old_password": FIRST, "new_password": SECOND}
    assert me.post(API + "users/me/password/", passwords).status_code == 204
    secrets |= hashes()

    for typed in ("newcomer", MISTYPED):
        assert Visitor().post("/account/forgotten/", {"account": typed}).status_code == 302
    secrets |= {follow_the_mail(THIRD)} | hashes()

    staff = Visitor()
    staff.post(SITE + "login/", {"username": "newcomer", "password": THIRD})
    page = staff.get(SITE + "second-factor/set-up/").content.decode()
    app = Phone(User.objects.get(username="newcomer"), re.search(r'class="secret">([A-Z2-7 ]+)<', page)[1])
    offer = re.search(r'name="offer" value="([^"]+)"', page)[1]  # type: ignore[index]
    form = {"offer": offer, "new_code": app.code(), "password": THIRD}
    shown = staff.post(SITE + "second-factor/set-up/", form).content.decode()
    codes = re.findall(r"<code>([A-Z2-7 ]{19})</code>", shown)
    assert len(codes) == 10
    secrets |= {*codes, *(code.replace(" ", "") for code in codes), app.key.hex(), offer}
    secrets |= set(AuthenticatorApp.objects.values_list("key", flat=True))
    secrets |= set(StaticToken.objects.values_list("token", flat=True))
    again = Visitor()
    again.post(SITE + "login/", {"username": "newcomer", "password": THIRD})
    assert again.post(SITE + "second-factor/", {"code": codes[0]}).status_code == 302
    secrets |= set(Session.objects.values_list("session_key", flat=True))
    secrets |= set(Session.objects.values_list("session_data", flat=True))

    call_command("reset_password", "newcomer", "--now", stdout=StringIO())
    secrets |= hashes()
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="newcomer").delete()
    assert not LinkRequest.objects.exists()

    with acting_as(Role.AUDITOR), connection.cursor() as cursor:
        cursor.execute("SELECT entry::text || to_jsonb(entry)::text, table_name || ' ' || operation FROM audit.entry")
        entries = cursor.fetchall()
    told = {kind for _, kind in entries}
    assert told >= {
        "accounts_user insert", "accounts_user update", "accounts_user delete", "accounts_mail insert",
        "accounts_mail delete", "accounts_tokensession insert", "otp_totp_totpdevice insert",
        "otp_totp_totpdevice delete", "otp_static_statictoken insert", "otp_static_statictoken delete",
    }  # fmt: skip
    assert sum('"password": "***"' in text for text, _ in entries) > 10
    assert min(map(len, secrets)) > 10
    for text, kind in entries:
        for secret in secrets:
            assert secret not in text, kind


def test_the_columns_that_hold_secrets_are_masked_by_name(world: World, migrator: Any) -> None:
    """From the catalogue: what each trigger leaves out of its entries, or masks in them."""
    with migrator.cursor() as cursor:
        cursor.execute(
            "SELECT tgrelid::regclass::text, encode(tgargs, 'escape') FROM pg_trigger WHERE tgname = 'trail' ORDER BY 1"
        )
        masked = {table: arguments.split("\\000")[1].strip("{}") for table, arguments in cursor.fetchall()}
    assert {table: columns for table, columns in masked.items() if columns} == {
        "accounts_user": "password",
        "otp_static_statictoken": "token",
        "otp_totp_totpdevice": "key",
    }
