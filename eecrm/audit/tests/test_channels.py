"""Each entry of an HTTP request names its actor, its channel and the request: never `sql` (a write without its origin)."""

from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from access.database import acting_as
from access.policy import Role
from access.tests.test_routes import GUARDED, PUBLIC
from accounts.login import tokens
from accounts.models import AddressChange, Mail, User
from accounts.passwords import links
from accounts.tests.conftest import give_phone
from accounts.tests.people import link_to, sent
from accounts.tests.test_admin_csv import chosen, signed
from accounts.tests.test_admin_routes import pages
from accounts.tests.test_second_factor_set_up import first_code, scanned
from api.resources.registry import collections, recorded
from api.tests.published import published
from api.tests.test_declared import Stage
from audit.models import Entry
from conftest import API, PASSWORD, Caller, Visitor, World, local, shown
from events.tests.trail import change, delete

SITE = f"/{settings.ADMIN_URL}"
GOOD = "seven quiet lanterns"
ELSEWHERE = "elsewhere@epic.example"
WRITES = ("POST", "PUT", "PATCH", "DELETE")


def last_entry() -> int:
    with acting_as(Role.AUDITOR):
        return Entry.objects.values_list("pk", flat=True).first() or 0


def judge(answer: Any, since: int, channel: str, actor: User | None) -> int:
    """Holds the entries since then to the request that was answered; how many there are."""
    with acting_as(Role.AUDITOR):
        entries = list(Entry.objects.filter(pk__gt=since))
    for entry in entries:
        told = (entry.channel, entry.request_id, entry.actor_id)
        assert told == (channel, answer["X-Request-ID"], actor.pk if actor else None), (entry.table_name, told)
    return len(entries)


@pytest.mark.parametrize(
    "operation", [one for one in published.operations if one.method in WRITES], ids=lambda one: str(one.id)
)
def test_every_write_of_the_api_is_told_with_its_origin(operation: Any, world: World) -> None:
    stage, seen = Stage(operation, world), []
    call = stage.call
    # Making ready (a login, a prospect) is none of the request's.
    stage.call = lambda *args, **kwargs: seen.append(last_entry()) or call(*args, **kwargs)  # type: ignore[method-assign]
    # The example of this one says what the row says already.
    answer = stage.call({"company_name": "Another"}) if operation.id == "clients_update" else stage.succeed()
    assert answer.status_code < 300
    own_login = 1 if "security" in operation.described else 0  # that of the caller, whom `call` logs in
    with acting_as(Role.AUDITOR):
        made = Entry.objects.filter(pk__gt=seen[0]).order_by("pk")
        since = made[0].pk if own_login else seen[0]
    actor = None if operation.id == "auth_refresh" else world.users[stage.person]
    count = judge(answer, since, "api", actor)
    resource = collections().get(stage.collection, "")
    is_recorded = operation.id != "auth_refresh" and (not resource or resource in recorded())
    assert count or not is_recorded, "a write that leaves no entry shows nothing"


def test_every_method_that_writes_has_such_an_operation() -> None:
    listed = {(path, method) for path, methods in (PUBLIC | GUARDED).items() for method in methods if method in WRITES}
    pages_of_accounts = {path for path, _ in listed if path.startswith("account/")}
    assert pages_of_accounts == {
        "account/forgotten/", "account/password/<name>/<token>/", "account/address/<token>/",
    }  # fmt: skip  # tested below
    documented = sum(one.method in WRITES for one in published.operations)
    assert documented == len(listed) - len(pages_of_accounts)


def test_the_pages_of_accounts_tell_theirs(world: World) -> None:
    sales = world.users["sales"]
    since = last_entry()
    assert judge(Visitor().post("/account/forgotten/", {"account": "sales"}), since, "api", None) == 0
    browser = Visitor()
    link = links.PASSWORD_RESET.url(User.objects.defer(None).get(pk=sales.pk)).removeprefix(settings.PUBLIC_URL)
    tokens.log_in(sales)
    page, since = browser.get(link).url, last_entry()
    answer = browser.post(page, {"new_password1": GOOD, "new_password2": GOOD})
    assert judge(answer, since, "api", sales) == 2  # the password, and the login that ends


def test_an_address_confirmed_by_link_is_recorded_as_its_owners(world: World) -> None:
    sales = world.users["sales"]
    with acting_as(Role.MANAGEMENT, user_id=world.users["management"].pk):
        User.objects.filter(pk=sales.pk).update(email=ELSEWHERE)
    link, since = link_to(ELSEWHERE, sent()), last_entry()
    answer = Visitor().post(link, {"password": PASSWORD})
    assert answer.status_code == 302
    assert (
        judge(answer, since, "api", sales) == 4
    )  # the confirmation, the new address, its notice, and the end of the row that waited


def test_a_hash_that_is_made_again_at_a_login_is_told_as_its_owners(world: World, settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["accounts.tests.hashers.StrongerHasher"]
    for name, channel in (("sales", "api"), ("management", "admin")):
        since, form = last_entry(), {"username": name, "password": PASSWORD}
        answer = (
            Caller().post(f"{API}users/login/", form) if channel == "api" else Visitor().post(f"{SITE}login/", form)
        )
        assert answer.status_code in (200, 302)
        assert judge(answer, since, channel, world.users[name]) >= 1


class _Form(HTMLParser):
    """What a page's own form sends when nothing is changed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.data: dict[str, str] = {}
        self.select = self.area = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("name") or ""
        if tag == "input" and name and not name.startswith("_") and given.get("type") not in ("file", "submit"):
            if given.get("type") not in ("checkbox", "radio") or "checked" in given:
                self.data[name] = given.get("value") or ("on" if given.get("type") == "checkbox" else "")
        elif tag == "select":
            self.select = name
        elif tag == "option" and "selected" in given and self.select:
            self.data[self.select] = given.get("value") or ""
        elif tag == "textarea":
            self.area = name
            self.data[name] = ""

    def handle_data(self, data: str) -> None:
        if self.area:
            self.data[self.area] += data.lstrip("\r\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self.area = ""


def form_of(page: Any) -> dict[str, str]:
    assert page.status_code == 200
    return _Form(page.content.decode()).data


class Site:
    """A manager at work in the admin site; each step is judged at once."""

    def __init__(self, world: World, name: str = "management") -> None:
        self.user, self.browser = world.users[name], Visitor()
        self.browser.force_login(self.user)
        self.written: set[str] = set()

    def send(self, page: str, **changes: Any) -> Any:
        return self._send(page, form_of(self.browser.get(SITE + page)) | changes)

    def post(self, page: str, form: dict[str, Any]) -> Any:
        return self._send(page, form)

    def confirm(self, page: str, form: dict[str, Any]) -> Any:
        """The page that shows what would be done writes nothing itself; it is confirmed."""
        since = last_entry()
        seen = shown(self.browser.post(SITE + page, form))
        assert seen and last_entry() == since, page
        return self._send(page, form | seen)

    def _send(self, page: str, form: dict[str, Any]) -> Any:
        since = last_entry()
        answer = self.browser.post(SITE + page, form)
        if judge(answer, since, "admin", self.user):
            self.written.add(answer.resolver_match.route.removeprefix(settings.ADMIN_URL))
        return answer


@pytest.fixture
def site(world: World) -> Iterator[Site]:
    yield Site(world)


_sooner = local(timezone.now() + timedelta(hours=12))  # a cover is ended early
SOONER = {"ends_at_0": f"{_sooner:%Y-%m-%d}", "ends_at_1": f"{_sooner:%H:%M:%S}"}
CHANGES = {
    "accounts/user": {"job_title": "Something else"}, "accounts/cover": SOONER, "auth/group": {"name": "Day shift"},
    "clients/client": {"company_name": "Another"}, "contracts/contract": {"name": "Another"}, "events/event": {"name": "Another"},
}  # fmt: skip


def test_every_page_of_the_admin_site_that_writes_tells_it(world: World, site: Site) -> None:
    keys = {page.rpartition("/change/")[0] for page in pages(world) if page.endswith("/change/")}
    rows = {key.rpartition("/")[0]: key for key in keys}
    since = last_entry()
    for noun, changes in CHANGES.items():
        page = rows[noun] + "/change/"
        if noun == "auth/group":  # groups are made and kept by the migrator
            continue
        answer = site.send(page, change_reason="Because", **changes)
        assert answer.status_code == 302, (page, answer.context and answer.context["errors"])
    site.send("accounts/user/add/", username="newcomer", role="sales", email="new@epic.example")
    site.confirm("accounts/user/", {"action": "send_reset", "_selected_action": [world.users["sales"].pk]})
    checked = signed(
        site.browser.post(SITE + "accounts/user/import/", chosen("username,email\nsales,other@epic.example\n"))
    )
    site.post("accounts/user/import/", checked)
    sales = world.users["sales"].pk
    site.post(f"accounts/user/{sales}/address/", {"change": AddressChange.objects.get(user=sales).mark, "drop": "1"})
    mail = Mail.objects.latest("pk").pk
    Mail.objects.filter(pk=mail).update(given_up_at=timezone.now())
    site.confirm("accounts/mail/", {"action": "send_again", "_selected_action": [mail]})
    site.confirm(rows["accounts/user"] + "/delete/", {"post": "yes"})
    site.confirm("accounts/user/", {"action": "reset_second_factor", "_selected_action": [world.users["auditor"].pk]})
    form = {"old_password": PASSWORD, "new_password1": GOOD + " two", "new_password2": GOOD + " two"}
    assert site.post("password_change/", form).status_code == 302
    assert last_entry() > since
    assert site.written >= {
        "accounts/user/<path:object_id>/change/", "accounts/cover/<path:object_id>/change/", "clients/client/<path:object_id>/change/",
        "contracts/contract/<path:object_id>/change/", "events/event/<path:object_id>/change/", "accounts/user/add/", "accounts/user/",
        "accounts/user/import/", "accounts/user/<path:object_id>/delete/", "accounts/user/<id:key>/address/", "accounts/mail/", "password_change/",
    }  # fmt: skip


def test_rows_put_back_or_handed_over_are_recorded_with_their_origin(world: World, site: Site) -> None:
    reason = {"change_reason": "Because"}
    site.confirm(f"audit/entry/{change(world.own_client, company_name='Another').pk}/undo/", reason)
    site.confirm(f"audit/entry/{delete(world.own_event).pk}/restore/", reason)
    successor = {"successor": world.users["other_sales"].pk}
    site.confirm(f"events/event/hand-over/{world.users['sales'].pk}/", reason | successor)
    assert site.written == {
        "audit/entry/<id:key>/undo/",
        "audit/entry/<id:key>/restore/",
        "events/event/hand-over/<id:key>/",
    }


def test_every_step_of_a_second_factor_tells_it(world: World, site: Site) -> None:
    set_up, manage, enter = "second-factor/set-up/", "second-factor/manage/", "second-factor/"
    app = scanned(site.browser.get(SITE + set_up), world)
    site.post(set_up, first_code(app))
    app.wait()
    new = scanned(site.browser.get(SITE + set_up), world)
    site.post(set_up, first_code(new) | {"code": app.code()})
    new.wait()
    site.post(manage, {"action": "codes", "code": new.code()})
    assert site.written == {set_up, manage}
    site.written.clear()
    new.wait()
    site.post(manage, {"action": "remove", "code": new.code()})
    assert site.written == {manage}
    app = give_phone(site.user)
    site.browser.force_login(
        User.objects.defer(None).get(pk=site.user.pk)
    )  # to take the factor away has ended the logins
    site.post(enter, {"code": app.codes[0]})
    assert site.written == {manage, enter}
    colleague = world.users["auditor"]
    give_phone(colleague)
    site.confirm("accounts/user/", {"action": "reset_second_factor", "_selected_action": [colleague.pk]})
    assert "accounts/user/" in site.written
