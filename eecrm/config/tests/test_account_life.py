"""The whole life of an account over HTTP; `scripts/browse` walks the same way in a real browser."""

import re
from base64 import b32decode
from datetime import timedelta
from typing import Any

from django.core import mail as django_mail
from django.utils import timezone
from django_otp.oath import totp

from accounts.models import User
from accounts.outbox.delivery import deliver
from conftest import API, PASSWORD, Caller, Visitor, World, local

SITE, LOGIN = "/hidden-admin/", API + "users/login/"
CHOSEN = "seven quiet lanterns"


def log_in(username: str, password: str, status: int = 200) -> Caller:
    answer = Caller().post(LOGIN, {"username": username, "password": password})
    assert answer.status_code == status, answer.content
    return Caller(HTTP_AUTHORIZATION=f"Bearer {answer.json().get('access', '')}")


def choose_password_by_mail() -> None:
    while deliver(timedelta(minutes=1)):
        pass
    link = re.findall(r"http://127\.0\.0\.1:8000(/\S+)", django_mail.outbox[-1].body)[0]
    person = Visitor()
    page = person.get(link).url
    chosen = {"new_password1": CHOSEN, "new_password2": CHOSEN}
    assert person.post(page, chosen).url == "/account/password/done/"
    assert person.get(link).status_code == 404


def enter_with_second_factor() -> Visitor:
    manager = Visitor()
    answer = manager.post(SITE + "login/?next=" + SITE, {"username": "management", "password": PASSWORD}, follow=True)
    assert answer.redirect_chain[-1][0].startswith(SITE + "second-factor/set-up/")
    assert manager.get(SITE + "accounts/user/").status_code == 302
    page = manager.get(SITE + "second-factor/set-up/").content.decode()
    secret = re.search(r'class="secret">([A-Z2-7 ]+)<', page)
    assert secret
    code = f"{totp(b32decode(secret[1].replace(' ', ''))):06}"
    offer = re.search(r'name="offer" value="([^"]+)"', page)
    assert offer
    shown = manager.post(SITE + "second-factor/set-up/", {"new_code": code, "offer": offer[1], "password": PASSWORD})
    assert len(re.findall(r"<code>[A-Z2-7 ]{19}</code>", shown.content.decode())) == 10
    assert manager.get(SITE + "accounts/user/").status_code == 200
    return manager


def test_from_the_invitation_to_the_end(world: World, settings: Any) -> None:
    settings.SECOND_FACTOR = "required"
    manager = enter_with_second_factor()
    form = {"username": "newcomer", "role": "sales", "email": "new@epic.example"}
    assert manager.post(SITE + "accounts/user/add/", form).status_code == 302
    log_in("newcomer", CHOSEN, 401)
    choose_password_by_mail()

    phone = log_in("newcomer", CHOSEN)
    draft = f"{API}contracts/{world.own_draft.pk}/"
    assert phone.patch(draft, {"name": "Taken over"}).status_code == 403
    newcomer, now = User.objects.get(username="newcomer"), local(timezone.now())
    until = now + timedelta(days=14)
    cover = {
        "colleague": world.users["sales"].pk, "substitute": newcomer.pk, "reason": "Leave",
        "starts_at_0": f"{now:%Y-%m-%d}", "starts_at_1": f"{now:%H:%M:%S}",
        "ends_at_0": f"{until:%Y-%m-%d}", "ends_at_1": f"{until:%H:%M:%S}",
    }  # fmt: skip
    assert manager.post(SITE + "accounts/cover/add/", cover).status_code == 302
    assert phone.patch(draft, {"name": "Looked after"}).status_code == 200
    assert [one["name"] for one in phone.get(API + "users/me/permissions/").json()["covering"]] == ["Sales Person"]

    account = f"{SITE}accounts/user/{newcomer.pk}/change/"
    assert manager.post(account, form | {"role": "support", "is_active": "on"}).status_code == 302
    assert phone.get(draft).status_code == 401
    phone = log_in("newcomer", CHOSEN)
    assert phone.patch(draft, {"name": "Again"}).status_code == 403
    assert manager.post(account, form | {"role": "support"}).status_code == 302
    assert phone.get(draft).status_code == 401
    log_in("newcomer", CHOSEN, 401)
