"""The whole life of an account, and no password or link of it on any page, in any mail or in any log line."""

import re
from datetime import timedelta
from io import StringIO
from typing import Any

from django.core import mail as django_mail
from django.core.management import call_command

from accounts.models import Mail
from accounts.outbox.delivery import deliver
from api.requests.logs import JSONFormatter
from conftest import API, PASSWORD, Caller, Visitor, World

FIRST, SECOND, THIRD, FOURTH = (
    "first quiet lantern",
    "second quiet lantern",
    "third quiet lantern",
    "fourth quiet lantern",
)
WEAK, MISTYPED = "weaklantern", "my secret in the wrong field"
LOGIN, USERS = API + "users/login/", "/hidden-admin/accounts/user/"


def follow_the_mail(password: str) -> tuple[str, list[Any]]:
    while deliver(timedelta(minutes=1)):
        pass
    link = re.findall(r"http://127\.0\.0\.1:8000(/\S+)", django_mail.outbox[-1].body)[0]
    person = Visitor()
    page = person.get(link).url
    weak = person.post(page, {"new_password1": WEAK, "new_password2": WEAK})
    return link.split("/")[-2], [weak, person.post(page, {"new_password1": password, "new_password2": password})]


def test_no_password_and_no_link_leaves_the_place_where_it_belongs(world: World, visit: Any, caplog: Any) -> None:
    caplog.set_level("DEBUG")
    manager, seen = visit("management"), []
    new = {"username": "newcomer", "role": "management", "email": "new@epic.example"}
    seen.append(manager.post(USERS + "add/", new, follow=True))
    invitation, pages = follow_the_mail(FIRST)
    seen += pages

    pair = Caller().post(LOGIN, {"username": "newcomer", "password": FIRST}).json()
    seen.append(Caller().post(LOGIN, {"username": "newcomer", "password": SECOND}))
    me = Caller(HTTP_AUTHORIZATION=f"Bearer {pair['access']}")
    seen.append(me.post(API + "users/me/password/", {"old_password": FIRST, "new_password": WEAK}))
    seen.append(me.post(API + "users/me/password/", {"old_password": FIRST, "new_password": SECOND}))

    for typed in ("newcomer", MISTYPED):
        seen.append(Visitor().post("/account/forgotten/", {"account": typed}, follow=True))
    seen.append(manager.get("/hidden-admin/accounts/mail/"))
    seen += [manager.get(f"/hidden-admin/accounts/mail/{mail.pk}/change/") for mail in Mail.objects.all()]
    reset, pages = follow_the_mail(THIRD)
    seen += pages

    staff = Visitor()
    seen.append(staff.post("/hidden-admin/login/", {"username": "newcomer", "password": THIRD}, follow=True))
    form = {"old_password": THIRD, "new_password1": FOURTH, "new_password2": FOURTH}
    seen.append(staff.post("/hidden-admin/password_change/", form, follow=True))
    assert Caller().post(LOGIN, {"username": "newcomer", "password": FOURTH}).status_code == 200
    call_command("reset_password", "newcomer", "--now", stdout=StringIO())
    seen.append(manager.get("/hidden-admin/admin/logentry/"))

    lines = [JSONFormatter().format(record) for record in caplog.records]
    assert sum('"authn_password_change"' in line for line in lines) >= 4
    secrets = (FIRST, SECOND, THIRD, FOURTH, WEAK, MISTYPED, PASSWORD)
    for place in (*lines, *(message.message().as_string() for message in django_mail.outbox)):
        for secret in secrets:
            assert secret not in place and secret.replace(" ", "%20") not in place, place
    for page in seen:
        for secret in (*secrets, invitation, reset):
            assert secret not in page.content.decode(), page.request
    for line in lines:
        assert invitation not in line and reset not in line, line
