"""Every page of the admin site that is confirmed: what it showed is done, or nothing, and it is shown again."""

import html
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from access.admin import EpicEventsAdminSite
from access.confirmed_admin import delete_selected
from access.database import acting_as, because
from access.policy import Role
from accounts.importing.columns import Membership
from accounts.models import Cover, Mail, User
from accounts.tests.conftest import give_phone
from accounts.tests.people import move
from audit.models import Entry
from clients.models import Client
from conftest import API, LOCKING, Caller, Visitor, World, make_client, make_contract, saved, shown
from contracts.models import Contract
from events.models import Event
from events.tests.trail import last

SITE = "/hidden-admin/"
WHY = "Agreed on Friday"
# A statement that locks rows, or writes.
ACTING = re.compile(rf"{LOCKING.pattern}|^\s*(INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
CHANGED = "Nothing was done, because something has changed since this page was shown."


class Page(NamedTuple):
    """A page, the form that confirms it, and what to change meanwhile. `deed` is what it does, as it can be seen."""

    address: str
    form: dict[str, Any]
    deed: Callable[[], Any]
    matters: Callable[[], Any]
    says: str
    is_idle: Callable[[], Any]


def change(row: Any, **fields: Any) -> None:
    """As a colleague does, at the same time."""
    with because("By a colleague"), acting_as(Role.SUPERUSER):
        type(row).objects.filter(pk=row.pk).update(**fields)


def make_newcomer() -> User:
    """Has never had a password."""
    with acting_as(Role.SUPERUSER):
        return User.objects.create_user("newcomer", email="newcomer@epic.example")


def exists(row: Any) -> bool:
    with acting_as(Role.SUPERUSER):
        return bool(type(row)._default_manager.filter(pk=row.pk).exists())


def chosen(action: str, *rows: Any) -> dict[str, Any]:
    return {"action": action, "_selected_action": [row.pk for row in rows]}


def imported(world: World) -> Page:
    """The fault as it was found: an account that is deactivated meanwhile became active again."""
    sales = world.users["other_sales"]
    content = "username,job_title,is_active\nother_sales,Lead,yes\nunlinked,Lead,yes\n"
    return Page(
        f"{SITE}accounts/user/import/", {"file": content},
        lambda: User.objects.filter(job_title="Lead", is_active=True).count() == 2,
        lambda: change(sales, is_active=False),
        "other_sales has changed: job_title '' → 'Lead' before, job_title '' → 'Lead', is_active 'no' → 'yes', role stays 'sales',"
        " is_superuser stays 'no', groups stays '', identity stays 'no', email stays 'other_sales@epic.example' now.",
        lambda: change(sales, mobile="+33612345678"),
    )  # fmt: skip


def imported_beside_a_role(world: World) -> Page:
    """What an account may do is decided together: who activates one has to know its role."""
    sales = world.users["other_sales"]
    with acting_as(Role.SUPERUSER):
        User.objects.filter(pk=sales.pk).update(is_active=False)
    return Page(
        f"{SITE}accounts/user/import/", {"file": "username,is_active\nother_sales,yes\n"},
        lambda: User.objects.filter(pk=sales.pk, is_active=True).exists(),
        lambda: change(sales, role=Role.MANAGEMENT),
        "other_sales has changed: is_active 'no' → 'yes', role stays 'sales', is_superuser stays 'no', groups stays '', identity stays"
        " 'no', email stays 'other_sales@epic.example' before, is_active 'no' → 'yes', role stays 'management', is_superuser stays 'no',"
        " groups stays '', identity stays 'no', email stays 'other_sales@epic.example' now.",
        lambda: change(sales, job_title="Lead"),
    )  # fmt: skip


def handed_over(world: World) -> Page:
    sales, other = world.users["sales"], world.users["other_sales"]

    def come() -> None:
        with acting_as(Role.SUPERUSER):
            make_client("Another", sales)

    return Page(
        f"{SITE}events/event/hand-over/{sales.pk}/", {"successor": other.pk, "change_reason": WHY},
        lambda: Client.objects.filter(pk=world.own_client.pk, sales_contact=other).exists(),
        come,
        "To a successor in Sales has changed: 1 client, 1 unsigned contract and 1 coming event before, "
        "2 clients, 1 unsigned contract and 1 coming event now.",
        lambda: change(world.own_client, phone="+33199001235"),
    )  # fmt: skip


def handed_over_events(world: World) -> Page:
    support, other = world.users["support"], world.users["other_support"]
    return Page(
        f"{SITE}events/event/hand-over/{support.pk}/", {"successor": other.pk, "change_reason": WHY},
        lambda: Event.objects.filter(pk=world.own_event.pk, support_contact=other).exists(),
        lambda: change(world.own_event, support_contact=other),
        "To a successor in Support has changed: 0 clients, 0 unsigned contracts and 1 coming event before, "
        "0 clients, 0 unsigned contracts and 0 coming events now.",
        lambda: change(world.own_event, notes="Bring a ladder"),
    )  # fmt: skip


def handed_to_a_changed_role(world: World) -> Page:
    """The fault as it was found: the events were to go, and the clients went, as the successor was in sales by then."""
    leaver, other = world.users["support"], world.users["other_support"]
    with acting_as(Role.SUPERUSER):
        Event.objects.filter(support_contact=other).delete()
        # Came from support, with an event that isn't over.
        User.objects.filter(pk=leaver.pk).update(role=Role.SALES)
        make_client("Of the new role", leaver)
    return Page(
        f"{SITE}events/event/hand-over/{leaver.pk}/", {"successor": other.pk, "change_reason": WHY},
        lambda: Event.objects.filter(pk=world.own_event.pk, support_contact=other).exists()
        or Client.objects.filter(company_name="Of the new role", sales_contact=other).exists(),
        lambda: change(other, role=Role.SALES),
        "The successor other_support has changed: Other_Support Person, Support before, Other_Support Person, Sales now.",
        lambda: change(other, job_title="Lead"),
    )  # fmt: skip


def restored(world: World) -> Page:
    with acting_as(Role.SUPERUSER):
        client = make_client("Gone", world.users["sales"])
        Client.objects.filter(pk=client.pk).delete()
    return Page(
        f"{SITE}audit/entry/{last(client, 'delete').pk}/restore/", {"change_reason": WHY},
        lambda: exists(client),
        lambda: change(world.users["sales"], username="renamed"),
        "sales contact has changed: – → sales before, – → renamed now.",
        lambda: change(world.users["sales"], first_name="Sonia"),
    )  # fmt: skip


def restored_to_another(world: World) -> Page:
    """A contract has its client's contact, which is somebody else's by then."""
    sales, other = world.users["sales"], world.users["other_sales"]
    with acting_as(Role.SUPERUSER):
        client = make_client("Stays", sales)
        contract = make_contract(client, "Gone")
        Contract.objects.filter(pk=contract.pk).delete()
    return Page(
        f"{SITE}audit/entry/{last(contract, 'delete').pk}/restore/", {"change_reason": WHY},
        lambda: exists(contract),
        lambda: change(client, sales_contact=other),
        "sales contact has changed: – → sales before, – → other_sales now.",
        lambda: change(client, phone="+33199001235"),
    )  # fmt: skip


def undone(world: World) -> Page:
    event = world.own_event
    change(event, support_contact=world.users["other_support"])
    return Page(
        f"{SITE}audit/entry/{last(event, 'update').pk}/undo/", {"change_reason": WHY},
        lambda: Event.objects.filter(pk=event.pk, support_contact=world.users["support"]).exists(),
        lambda: change(world.users["support"], username="renamed"),
        "support contact has changed: other_support → support before, other_support → renamed now.",
        lambda: change(event, notes="Bring a ladder"),
    )  # fmt: skip


def deleted(world: World) -> Page:
    with acting_as(Role.SUPERUSER):
        client = make_client("Empty", world.users["sales"])
    return Page(
        f"{SITE}clients/client/{client.pk}/delete/", {"post": "yes"},
        lambda: not exists(client),
        lambda: Caller.as_user(world.users["sales"]).patch(f"{API}clients/{client.pk}/", {"company_name": "Full"}),
        f"client {client.pk} has changed: Empty before, Full now.",
        lambda: change(world.own_client, phone="+33199001235"),
    )  # fmt: skip


def account_deleted(world: World) -> Page:
    user = world.users["unlinked"]
    return Page(
        f"{SITE}accounts/user/{user.pk}/delete/", {"post": "yes"},
        lambda: not exists(user),
        lambda: change(user, role=Role.SALES),
        f"user {user.pk} has changed.",
        lambda: User.objects.filter(pk=user.pk).update(last_login=timezone.now()),
    )  # fmt: skip


def group_deleted(world: World) -> Page:
    with acting_as(Role.SUPERUSER):
        group = Group.objects.create(name="Night shift")

    def join() -> None:
        with acting_as(Role.SUPERUSER):
            saved(Membership(user_id=world.users["sales"].pk, group_id=group.pk))

    return Page(
        f"{SITE}auth/group/{group.pk}/delete/", {"post": "yes"},
        lambda: not exists(group), join, f"group {group.pk} has changed.", lambda: None,
    )  # fmt: skip


def selected_deleted(world: World) -> Page:
    with acting_as(Role.SUPERUSER):
        first, second = (make_client(name, world.users["sales"]) for name in ("First", "Second"))
    return Page(
        f"{SITE}clients/client/", chosen("delete_selected", first, second) | {"post": "yes"},
        lambda: not exists(first) and not exists(second),
        lambda: Caller.as_user(world.users["sales"]).delete(f"{API}clients/{first.pk}/") and None,
        f"client {first.pk} is no longer here.",
        lambda: change(world.own_client, phone="+33199001235"),
    )  # fmt: skip


def link_sent(world: World) -> Page:
    user = world.users["sales"]
    return Page(
        f"{SITE}accounts/user/", chosen("send_reset", user),
        lambda: Mail.objects.filter(kind="password_reset").exists(),
        lambda: change(user, is_active=False),
        "sales has changed: will get a link at sales@epic.example before, left out: inactive now.",
        lambda: change(user, job_title="Lead"),
    )  # fmt: skip


def invited(world: World) -> Page:
    """Nobody has claimed the account yet: its address changes without a confirmation."""
    user = make_newcomer()
    return Page(
        f"{SITE}accounts/user/", chosen("send_invitation", user),
        lambda: Mail.objects.filter(kind="invitation").exists(),
        lambda: change(user, email="stranger@evil.example"),
        "newcomer has changed: will get a link at newcomer@epic.example before, "
        "will get a link at stranger@evil.example now.",
        lambda: change(user, job_title="Lead"),
    )  # fmt: skip


def sent_again(world: World) -> Page:
    user = make_newcomer()
    mail = Mail.objects.create(kind="invitation", user=user, given_up_at=timezone.now())
    return Page(
        f"{SITE}accounts/mail/", chosen("send_again", mail),
        lambda: Mail.objects.filter(pk=mail.pk, given_up_at=None).exists(),
        lambda: change(user, email="stranger@evil.example"),
        "will be sent again to stranger@evil.example now.",
        lambda: change(user, job_title="Lead"),
    )  # fmt: skip


def factor_reset(world: World) -> Page:
    """Its owner has set up another one meanwhile."""
    user = world.users["auditor"]
    phone = give_phone(user).device

    def another() -> None:
        phone.delete()
        give_phone(user)

    return Page(
        f"{SITE}accounts/user/", chosen("reset_second_factor", user),
        lambda: not TOTPDevice.objects.filter(user=user).exists(),
        another, "auditor has changed.", lambda: change(user, job_title="Lead"),
    )  # fmt: skip


def factor_reset_elsewhere(world: World) -> Page:
    """The link that lets its owner in again would go to another address."""
    return factor_reset(world)._replace(
        matters=lambda: move("auditor", "stranger@evil.example"),
        says="and gets a link at stranger@evil.example now.",
    )


def cover_ended(world: World) -> Page:
    with acting_as(Role.SUPERUSER, user_id=world.users["management"].pk):
        cover = Cover.objects.create(
            colleague=world.users["sales"], substitute=world.users["other_sales"], reason="Leave",
            ends_at=timezone.now() + timedelta(days=9),
        )  # fmt: skip
    return Page(
        f"{SITE}accounts/cover/", chosen("end_now", cover),
        lambda: Cover.objects.get(pk=cover.pk).ends_at <= timezone.now(),
        lambda: change(cover, ends_at=timezone.now() + timedelta(days=2)),
        f"other_sales for sales (cover {cover.pk}) has changed: ends now, instead of at",
        lambda: change(world.users["sales"], first_name="Sonia"),
    )  # fmt: skip


PAGES = (
    imported, imported_beside_a_role, handed_over, handed_to_a_changed_role, restored, restored_to_another, undone, deleted, account_deleted,
    group_deleted, selected_deleted, link_sent, invited, sent_again, factor_reset, factor_reset_elsewhere, cover_ended,
)  # fmt: skip
each_page = pytest.mark.parametrize("make", PAGES, ids=lambda make: make.__name__)


def look(browser: Visitor, page: Page) -> dict[str, Any]:
    """The form that is on the page."""
    form = dict(page.form)
    if "file" in form:
        form["file"] = SimpleUploadedFile("people.csv", form["file"].encode(), "text/csv")
    answer = browser.post(page.address, form)
    if found := re.search(r'name="checked" value="([^"]*)"', answer.content.decode()):
        form = {"checked": html.unescape(found[1])}
    return form | shown(answer)


def is_done(page: Page) -> bool:
    with acting_as(Role.SUPERUSER):
        return bool(page.deed())


@pytest.fixture
def manager(visit: Any) -> Visitor:
    browser: Visitor = visit("management")
    return browser


@each_page
def test_what_was_shown_is_done(make: Any, world: World, manager: Visitor) -> None:
    page = make(world)
    with CaptureQueriesContext(connection) as looking:
        form = look(manager, page)
    assert form["shown"]
    assert not is_done(page)
    page.is_idle()
    with CaptureQueriesContext(connection) as doing:
        answer = manager.post(page.address, form)
    assert answer.status_code == 302, answer.content.decode()
    assert is_done(page)
    if not make.__name__.startswith("imported"):  # which is done, and rolled back, to find what would be refused
        assert not [query["sql"] for query in looking if LOCKING.search(query["sql"])]
    # Rows are locked before the page is compared with what was confirmed. Otherwise they could change in between.
    steps = ["lock" if LOCKING.search(query["sql"]) else "write" for query in doing if ACTING.search(query["sql"])]
    assert steps[0] == "lock" or make is restored, "of a deleted client there is no row to lock"


@each_page
def test_what_has_changed_since_is_shown_again_and_nothing_is_done(make: Any, world: World, manager: Visitor) -> None:
    page = make(world)
    form = look(manager, page)
    page.matters()
    answer = manager.post(page.address, form)
    said = html.unescape(answer.content.decode())
    assert answer.status_code == 200
    assert CHANGED in said
    assert page.says in said
    if make is not selected_deleted:  # of which somebody else did the half
        assert not is_done(page)
        fresh = form | shown(answer)
        if "checked" in fresh:
            found = re.search(r'name="checked" value="([^"]*)"', answer.content.decode())
            assert found
            fresh["checked"] = html.unescape(found[1])
        manager.post(page.address, fresh)
        assert is_done(page) is (make is not link_sent), "the page as it is now can be confirmed"


@each_page
def test_nothing_is_done_unseen(make: Any, world: World, manager: Visitor) -> None:
    """Without what the page carries, or with what was made up, altered, or shown to somebody else."""
    page = make(world)
    form = look(manager, page)
    boss = Visitor()
    boss.force_login(world.users["superuser"])
    for forged in ("", "x", "e30:forged", "\0", form["shown"][:-1] + ("A" if form["shown"][-1] != "A" else "B")):
        assert CHANGED in manager.post(page.address, form | {"shown": forged}).content.decode()
    if "checked" not in form:
        assert CHANGED in boss.post(page.address, form).content.decode()
    manager.post(page.address, {name: value for name, value in form.items() if name != "shown"})
    assert not is_done(page)


@each_page
def test_a_double_click_does_it_once(make: Any, world: World, manager: Visitor) -> None:
    page = make(world)
    form = look(manager, page)
    assert manager.post(page.address, form).status_code == 302
    written = count_of_entries()
    answer = manager.post(page.address, form)
    assert answer.status_code < 400
    assert is_done(page)
    assert count_of_entries() == written


def count_of_entries() -> int:
    with acting_as(Role.SUPERUSER):
        return Entry.objects.count()


def test_the_key_and_version_of_a_row_do_not_say_what_it_is(world: World) -> None:
    """After a copy of the data was put back, they are given to another one."""
    page = admin.site._registry[Client]
    one, other = (
        Client(pk=7, version=1, company_name="Lumen", email=email) for email in ("a@own.example", "b@own.example")
    )
    assert page.lines_of_deletion([one]) != page.lines_of_deletion([other])  # type: ignore[attr-defined]  # ours


@pytest.mark.parametrize(
    ("make", "table", "row"),
    [
        (handed_over, "clients_client", lambda world: world.own_client),
        (handed_over_events, "events_event", lambda world: world.own_event),
        (handed_over, "accounts_user", lambda world: world.users["sales"]),
        (handed_over, "accounts_user", lambda world: world.users["other_sales"]),
    ],
    ids=["client", "event", "leaver", "successor"],
)
def test_a_hand_over_from_before_a_restored_disk_is_shown_again(
    make: Any, table: str, row: Any, committed_world: World, migrator: Any
) -> None:
    """Its keys were given to others."""
    page = make(committed_world)
    boss = Visitor()
    boss.force_login(committed_world.users["superuser"])
    form = look(boss, page)
    column = "date_joined" if table == "accounts_user" else "created_at"
    with migrator.cursor() as cursor:
        cursor.execute(f"ALTER TABLE eecrm.{table} DISABLE TRIGGER USER")
        cursor.execute(
            f"UPDATE eecrm.{table} SET {column} = {column} + interval '1 hour' WHERE id = %s", [row(committed_world).pk]
        )
        cursor.execute(f"ALTER TABLE eecrm.{table} ENABLE TRIGGER USER")
    assert CHANGED in boss.post(page.address, form).content.decode()
    assert not is_done(page)


@pytest.mark.parametrize("action", ["delete_selected", "send_reset", "reset_second_factor"])
@pytest.mark.parametrize("way", ["ticked", "across", "confirmed"])
def test_no_more_is_chosen_than_a_form_can_confirm(
    action: str, way: str, world: World, manager: Visitor, monkeypatch: Any
) -> None:
    """A form has 1,000 fields at most, and a list may have a million rows, each of which would be locked and compared."""
    people = [world.users[name] for name in ("sales", "support", "unlinked")]
    address = f"{SITE}accounts/user/"
    form = chosen(action, *people)
    if way == "confirmed":
        form |= look(manager, Page(address, form, *[bool] * 2, "", bool))
    form |= {"select_across": "1"} if way != "ticked" else {}
    monkeypatch.setattr("audit.admin.versioned.MAX_ROWS_PER_ACTION", 2)
    said = manager.post(address, form, follow=True).content.decode()
    assert "Choose 2 at most, and then the next." in said
    assert 'name="shown"' not in said
    monkeypatch.setattr("audit.admin.versioned.MAX_ROWS_PER_ACTION", 3)
    assert ("Choose 3 at most" in manager.post(address, form, follow=True).content.decode()) is (way != "ticked")


def test_what_one_page_showed_confirms_no_other(world: World, manager: Visitor) -> None:
    with acting_as(Role.SUPERUSER):
        first, second = (make_client(name, world.users["sales"]) for name in ("First", "Second"))
    form = look(manager, Page(f"{SITE}clients/client/{first.pk}/delete/", {"post": "yes"}, *[bool] * 2, "", bool))
    manager.post(f"{SITE}clients/client/{second.pk}/delete/", form)
    assert exists(first) and exists(second)


def test_every_action_of_every_list_is_shown_first(world: World, manager: Visitor, rf: Any) -> None:
    """From the registry, so that no action is forgotten: its function waits for a confirmation."""
    assert isinstance(admin.site, EpicEventsAdminSite)
    assert dict(admin.site.actions) == {"delete_selected": delete_selected}
    named = {
        name
        for page in admin.site._registry.values()
        for action, name, _ in page._get_base_actions()
        if action is not delete_selected and action.__wrapped__
    }
    assert named == {"send_reset", "send_invitation", "send_again", "reset_second_factor", "end_now"}
