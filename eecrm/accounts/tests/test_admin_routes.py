"""Every address of the admin site is known here, by hand, and closed to whom the policy closes it."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from access.database import acting_as
from access.policy import Role
from accounts.models import Alert, Cover, Mail
from api.resources.registry import model_of, viewsets
from audit.models import Entry
from conftest import Visitor, World, make_contract
from contracts.models import Contract

NOUNS = (
    "accounts/user", "accounts/cover", "accounts/mail", "accounts/alert", "auth/group", "admin/logentry", "audit/entry",
    *(model_of(viewset)._meta.label_lower.replace(".", "/") for viewset in viewsets().values()),
)  # fmt: skip
PER_MODEL = (
    "",
    "add/",
    "<path:object_id>/history/",
    "<path:object_id>/delete/",
    "<path:object_id>/change/",
    "<path:object_id>/",
)
KNOWN = {
    "", "login/", "logout/", "password_change/", "password_change/done/", "autocomplete/", "jsi18n/",
    "(?P<url>.*)$",
    "accounts/user/import/", "accounts/user/export/", "accounts/user/<id:key>/address/",
    "clients/client/import/", "events/event/hand-over/<id:key>/",
    "audit/entry/<id:key>/restore/", "audit/entry/<id:key>/undo/",
    *(GATE := ("second-factor/", "second-factor/set-up/", "second-factor/manage/")), "email/",
    *(f"{noun}/{page}" for noun in NOUNS for page in PER_MODEL),
}  # fmt: skip


def admin_routes(resolver: Any, prefix: str = "") -> list[str]:
    found = []
    for pattern in resolver.url_patterns:
        path = prefix + str(pattern.pattern)
        found += admin_routes(pattern, path) if isinstance(pattern, URLResolver) else [path]
    return found


@pytest.fixture(scope="module")
def site() -> list[str]:
    resolver = next(item for item in get_resolver().url_patterns if str(item.pattern) == settings.ADMIN_URL)
    assert not isinstance(resolver, URLPattern)
    return admin_routes(resolver)


def test_every_address_is_listed(site: list[str]) -> None:
    (indexes,) = set(site) - KNOWN
    labels = {noun.partition("/")[0] for noun in NOUNS}
    assert set(indexes.removeprefix("^(?P<app_label>").removesuffix(")/$").split("|")) == labels
    assert set(site) == KNOWN | {indexes}


def pages(world: World) -> list[str]:
    mail = Mail.objects.create(kind="invitation", user=world.users["unlinked"])
    with acting_as(Role.SUPERUSER):
        group = Group.objects.create(name="Night shift")
        cover = Cover.objects.create(
            colleague=world.users["sales"], substitute=world.users["other_sales"], reason="Leave",
            ends_at=timezone.now() + timedelta(days=1),
        )  # fmt: skip
        entry = Entry.objects.about(world.own_client).earliest("id")
        row = make_contract(world.other_client, "Draft")
        Contract.objects.filter(pk=row.pk).update(name="Renamed")
        changed = Entry.objects.about(row).get(operation="update")
        row = make_contract(world.other_client, "Dropped")
        Contract.objects.filter(pk=row.pk).delete()
        deleted = Entry.objects.about(row).get(operation="delete")
    moment = timezone.now()
    alert = Alert.objects.create(kind="deletions", count=20, first_at=moment, last_at=moment)
    keys = {
        "accounts/cover": cover.pk, "accounts/mail": mail.pk, "auth/group": group.pk, "accounts/user": world.users["unlinked"].pk,
        "accounts/alert": alert.pk,
        "clients/client": world.own_client.pk, "contracts/contract": world.own_draft.pk, "events/event": world.own_event.pk,
        "admin/logentry": 1, "audit/entry": entry.pk,
    }  # fmt: skip
    rows = [f"{noun}/{page}".replace("<path:object_id>", str(key)) for noun, key in keys.items() for page in PER_MODEL]
    lists = [
        "accounts/user/import/",
        "accounts/user/export/",
        "clients/client/import/",
        f"events/event/hand-over/{world.users['sales'].pk}/",
    ]
    lists += [f"accounts/user/{world.users['unlinked'].pk}/address/"]
    lists += [f"audit/entry/{each.pk}/{page}/" for each in (entry, changed, deleted) for page in ("restore", "undo")]
    return ["", "autocomplete/", "password_change/", *GATE, *lists, *rows]


@pytest.mark.parametrize("name", ["anonymous", "sales", "support", "partner", "unlinked"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_whom_the_policy_keeps_out_is_led_to_the_login(name: str, method: str, world: World) -> None:
    browser = Visitor()
    if name != "anonymous":
        browser.force_login(world.users[name])
    for page in pages(world):
        response = getattr(browser, method)(f"/{settings.ADMIN_URL}{page}")
        assert (response.status_code, response.url.split("?")[0]) == (302, f"/{settings.ADMIN_URL}login/"), page


def test_an_auditor_may_read_every_page_and_send_none(world: World) -> None:
    browser = Visitor()
    browser.force_login(world.users["auditor"])
    for page in pages(world):
        if page in ("", "autocomplete/") or page.startswith("admin/logentry/1"):
            continue
        closed = page.endswith(("add/", "delete/", "import/", "export/", "restore/", "undo/")) or "hand-over" in page
        assert browser.get(f"/{settings.ADMIN_URL}{page}", follow=True).status_code == (403 if closed else 200), page
        if closed or page.endswith("/change/"):
            assert browser.confirm(f"/{settings.ADMIN_URL}{page}", {"post": "yes"}).status_code == 403, page
