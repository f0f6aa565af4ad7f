"""The trail in the admin site: who reads it, what is masked, what filters find, and that nobody writes it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.db import connection
from django.db.models import EmailField, GenericIPAddressField
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from phonenumber_field.modelfields import PhoneNumberField

from access import policy
from access.database import acting_as, origin
from access.masks import personal
from access.policy import Role
from accounts.models import Cover, ExternalIdentity, Mail, User
from audit.admin import filters
from audit.models import Entry
from audit.trail.personal import hidden, shown_tables
from conftest import API, Caller, Visitor, World, local

ADMIN = "/hidden-admin/"
TRAIL = f"{ADMIN}audit/entry/"


@pytest.fixture
def visit(world: World) -> Any:
    def log_in(name: str) -> Visitor:
        browser = Visitor()
        browser.force_login(world.users[name])
        return browser

    return log_in


def text(browser: Visitor, path: str, *, status: int = 200) -> str:
    response = browser.get(path)
    assert response.status_code == status, (path, response.status_code)
    return response.content.decode()


def listed(browser: Visitor, query: str = "") -> list[int]:
    """The entries of a list, by their keys."""
    return [int(key) for key in re.findall(r'field-time[^>]*><a href="[^"]*/entry/(\d+)/change/', text(browser, f"{TRAIL}?{query}"))]  # fmt: skip


def newest(**fields: Any) -> Entry:
    with acting_as(Role.SUPERUSER):
        entry = Entry.objects.filter(**fields)[0]
    return entry


@contextmanager
def from_there(**told: str) -> Iterator[None]:
    """What is written meanwhile comes from this channel, in this request, for this reason."""
    token = origin.set(origin.get()._replace(**told))
    yield
    origin.reset(token)


def write(world: World, reason: str = "", *, by: str = "management", **fields: Any) -> Entry:
    """A change of one's own client, and its entry."""
    with from_there(reason=reason), acting_as(Role.SUPERUSER, user_id=world.users[by].pk):
        for name, value in (fields or {"last_name": f"Doe {Entry.objects.count()}"}).items():
            setattr(world.own_client, name, value)
        world.own_client.save(update_fields=list(fields) or ["last_name"])
        return Entry.objects.all()[0]


@pytest.mark.parametrize(
    ("name", "status"),
    [("management", 200), ("auditor", 200), ("superuser", 200), ("sales", 302), ("support", 302), ("partner", 302)],
)
def test_management_auditors_and_superusers_read_the_trail_and_nobody_else(
    name: str, status: int, world: World, visit: Any
) -> None:
    entry, browser = write(world), visit(name)
    for path in (TRAIL, f"{TRAIL}{entry.pk}/change/", f"{ADMIN}clients/client/{world.own_client.pk}/history/"):
        response = browser.get(path)
        assert response.status_code == status, path
        assert status == 200 or "/login/" in response.url
    assert ("Audit trail" in browser.get(ADMIN, follow=True).content.decode()) == (status == 200)


@pytest.mark.parametrize("name", ["management", "auditor", "superuser"])
def test_nobody_writes_it(name: str, world: World, visit: Any) -> None:
    entry, browser = write(world), visit(name)
    for path in ("add/", f"{entry.pk}/delete/", f"{entry.pk}/change/"):
        assert browser.confirm(TRAIL + path, {"post": "yes", "reason": "forged"}).status_code == 403, path
    browser.confirm(TRAIL, {"action": "delete_selected", "_selected_action": [entry.pk], "post": "yes"})
    assert newest(pk=entry.pk).reason == ""
    page = text(browser, f"{TRAIL}{entry.pk}/change/")
    assert 'name="_save"' not in page
    assert "deletelink" not in page


def test_the_list_tells_time_person_action_object_channel_role_reason_and_request(world: World, visit: Any) -> None:
    with from_there(channel="api", request_id="a-request"):
        entry = write(world, "Moved <b>house</b>", phone="+33199005678", by="sales")
    page = text(visit("management"), TRAIL)
    row = re.search(r"<tr>.*?</tr>", page[page.index('<table id="result_list">') :].partition("<tbody>")[2], re.DOTALL)
    assert row
    cells = [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", row[0], re.DOTALL)]
    assert cells == [
        f"{local(entry.at):%Y-%m-%d %H:%M:%S}", "sales", "changed phone", "client Own Company", "api", "superuser",
        "Moved &lt;b&gt;house&lt;/b&gt;", "a-request",
    ]  # fmt: skip
    assert f'href="{ADMIN}clients/client/{world.own_client.pk}/change/"' in row[0]
    assert f'href="{TRAIL}?request=a-request"' in row[0]


def test_what_is_gone_is_named_by_its_number_and_leads_nowhere(world: World, visit: Any) -> None:
    with acting_as(Role.SUPERUSER):
        key = world.own_event.pk
        world.own_event.delete()
    assert f"event {key}</td>" in text(visit("management"), f"{TRAIL}?kind=events_event&object={key}")
    page = text(visit("management"), f"{TRAIL}{newest(operation='delete').pk}/change/")
    assert f"/events/event/{key}/" not in page
    assert "Own party" in page


def test_a_change_is_a_table_of_before_and_after_marked_in_words(world: World, visit: Any) -> None:
    entry = write(world, company_name="New <i>name</i>", sales_contact=world.users["other_sales"])
    page = text(visit("management"), f"{TRAIL}{entry.pk}/change/")
    table = page[page.index('<table class="trail-differences">') :]
    lines = [re.sub(r"<[^>]+>|\s+", " ", row).split() for row in re.findall(r"<tr>.*?</tr>", table, re.DOTALL)]
    assert [" ".join(line) for line in lines[:3]] == [
        "Field Before After Mark",
        "Company name Own Company New &lt;i&gt;name&lt;/i&gt; changed",
        "Sales contact sales other_sales changed",
    ]
    assert [line[0] for line in lines[3:]] == ["Updated", "Version"]
    assert not any("changed" in line for line in lines[3:])
    assert "<del>" in table
    assert "<ins>" in table
    assert f"/accounts/user/{world.users['other_sales'].pk}/change/" in table
    for link in ("kind=clients_client&amp;object=", f"person=%23{world.users['management'].pk}"):
        assert link in page


def test_money_keeps_its_last_places(world: World, visit: Any) -> None:
    page = text(visit("auditor"), f"{ADMIN}contracts/contract/{world.own_draft.pk}/history/")
    assert "<span>1500.00</span>" in page


def test_a_page_leads_to_everything_of_its_request(world: World, visit: Any, management: Caller) -> None:
    answer = management.patch(f"{API}clients/{world.own_client.pk}/", {"last_name": "Elsewhere"})
    entry = newest(request_id=answer["X-Request-ID"])
    address = f"{TRAIL}?request={answer['X-Request-ID']}"
    assert address in text(visit("management"), f"{TRAIL}{entry.pk}/change/")
    assert address in text(visit("management"), f"{ADMIN}clients/client/{world.own_client.pk}/history/")
    assert listed(visit("management"), f"request={answer['X-Request-ID']}") == [entry.pk]


# ------------------------------------------------------------------------------------------------------ personal data

SECRETS = (
    "ann.own.company@own.example", "new@own.example", "+33199001234", "+33199005678", "sales@epic.example", "+33199009999",
    "elsewhere@epic.example", "auth0|ann@own.example",
)  # fmt: skip


@pytest.fixture
def told_of(world: World) -> list[str]:
    """Every page that tells of somebody's addresses and phones."""
    user = world.users["sales"]
    write(world, email="new@own.example", phone="+33199005678")
    with acting_as(Role.SUPERUSER):
        user.mobile = "+33199009999"
        user.email = "sales2@epic.example"
        user.save(update_fields=["mobile", "email"])
        Mail.objects.create(kind="invitation", user=user, address="elsewhere@epic.example")
        ExternalIdentity.objects.create(user=user, issuer="https://issuer.example", subject="auth0|ann@own.example")
        keys = list(Entry.objects.exclude(table_name__startswith="auth_").values_list("pk", flat=True))
    pages = [f"{TRAIL}{key}/change/" for key in keys]
    rows = (f"clients/client/{world.own_client.pk}", f"accounts/user/{user.pk}")
    return [TRAIL, *pages, *(f"{ADMIN}{row}/history/" for row in rows)]


def secrets_seen(browser: Visitor, paths: list[str]) -> set[str]:
    content = "".join(text(browser, path) for path in paths)
    return {secret for secret in SECRETS if secret in content}


def test_an_auditor_sees_no_address_and_no_phone_until_the_account_is_in_pii_view(
    world: World, visit: Any, told_of: list[str]
) -> None:
    assert secrets_seen(visit("management"), told_of) == set(SECRETS)
    auditor = visit("auditor")
    assert secrets_seen(auditor, told_of) == set()
    assert "n***@***.example" in "".join(text(auditor, path) for path in told_of)
    with acting_as(Role.SUPERUSER):
        world.users["auditor"].groups.set(Group.objects.filter(name="PII_VIEW"))
    assert secrets_seen(auditor, told_of) == set(SECRETS)
    with acting_as(Role.SUPERUSER):
        world.users["auditor"].groups.clear()
    assert secrets_seen(auditor, told_of) == set()


@pytest.mark.parametrize(
    "query", ["q=new@own.example", "q=%2B33199005678", "q=new", "q=own.example", "person=new@own.example"]
)
@pytest.mark.parametrize("name", ["auditor", "management"])
def test_no_search_finds_an_entry_by_what_was_written(
    query: str, name: str, world: World, visit: Any, told_of: list[str]
) -> None:
    assert listed(visit(name), query) == []


def test_every_table_on_the_trail_is_declared(migrator: Any) -> None:
    with migrator.cursor() as cursor:
        cursor.execute("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'trail'")
        assert {table for (table,) in cursor.fetchall()} == set(shown_tables())


def test_every_column_of_an_address_or_a_phone_is_declared() -> None:
    for model in apps.get_models(include_auto_created=True):
        reaching = {
            field.name
            for field in model._meta.concrete_fields
            if isinstance(field, EmailField | GenericIPAddressField | PhoneNumberField)
        }
        assert reaching <= set(personal(model)), model


def test_of_an_undeclared_table_nothing_is_shown() -> None:
    assert hidden("clients_client", "company_name", "Own Company") == "Own Company"
    assert hidden("clients_client", "email", "ann@own.example") == "a***@***.example"
    assert hidden("clients_client", "phone", "+33199001234") == "***34"
    assert hidden("accounts_externalidentity", "subject", "x") == "***"
    assert hidden("news_letter", "name", "Ann") == "***"
    assert hidden("news_letter", "number", 7) == "***"
    assert hidden("news_letter", "name", "") == ""


# ------------------------------------------------------------------------------------------------- filters and search


def test_filters_filter(world: World, visit: Any) -> None:
    browser, people = visit("management"), world.users
    with from_there(channel="worker", request_id="request-1"):
        first = write(world, by="sales")
    second = write(world, "Merged with Maison Lumen", by="management")
    with acting_as(Role.SUPERUSER, user_id=people["sales"].pk):
        world.own_draft.name = "Renamed"
        world.own_draft.save(update_fields=["name"])
    third = newest()
    day = f"{local(first.at):%Y-%m-%d}"
    for query, expected in (
        ("person=sales", [third, first]), (f"person=%23{people['sales'].pk}", [third, first]), ("person=SALES", [third, first]), ("person=nobody", []),
        ("person=%23", []), ("person=%239999999999", []), ("kind=clients_client&person=sales", [first]), ("kind=events_event&person=sales", []),
        (f"kind=contracts_contract&object={world.own_draft.pk}&person=sales", [third]), ("channel=worker", [first]), ("channel=sql&person=sales", []),
        (f"day={day}&person=sales", [third, first]), ("day=2020-02-29", []), ("request=request-1", [first]), ("request=unheard-of", []),
        ("q=request-1", [first]), ("q=maison+lum", [second]), ("q=lumen+merged", [second]), ("q=lumen+sold", []), ("q=request", []),
        (f"q={world.own_draft.pk}&kind=contracts_contract&person=sales", [third]), ("q=lumen&person=management", [second]),
        ("q=lumen&person=sales", []), ("q=%26%7C%21", []),
    ):  # fmt: skip
        assert listed(browser, query) == [entry.pk for entry in expected], query


def test_the_list_is_newest_first_whatever_is_asked(world: World, visit: Any) -> None:
    browser = visit("management")
    every = listed(browser)
    assert every == sorted(every, reverse=True)
    assert len(every) > 10
    for query in ("o=1", "o=-1.2", "o=4", "all="):
        assert listed(browser, query) == every, query


HOSTILE = [
    "kind=nothing", "kind=", "channel=x", "day=yesterday", "day=9999-12-31", "day=0001-01-01", "day=2026-13-01", "day=%00", "person=%00",
    "person=%23%D9%A1", "person=%2399999999999999999999", "object=%00", "object=" + "9" * 400, "request=%00", "q=%00", "q=" + "x%20" * 2000,
    "q=%27%29%3B--", "q=%5C", "bogus=1", "old__email=x", "new__email__startswith=a", "old__has_key=email", "actor_id=1", "at__year=0", "p=0", "p=x",
    "p=99999", "p=" + "9" * 5000, "o=x", "_facets=True", "_to_field=reason", "_popup=1", "id__in=1,2", "person=a&person=b",
]  # fmt: skip


@pytest.mark.parametrize("query", HOSTILE)
@pytest.mark.parametrize("name", ["management", "auditor"])
def test_no_query_string_is_a_500(query: str, name: str, world: World, visit: Any) -> None:
    assert visit(name).get(f"{TRAIL}?{query}").status_code in (200, 302, 400)


@pytest.mark.parametrize(
    "query", ["old__email=x", "new__email__startswith=a", "old__has_key=email", "actor_id=1", "bogus=1", "kind=nothing", "channel=x", "day=yesterday"]
)  # fmt: skip
def test_what_no_filter_offers_is_a_400(query: str, world: World, visit: Any) -> None:
    assert visit("management").get(f"{TRAIL}?{query}").status_code == 400


@pytest.mark.parametrize("key", ["abc", "0", "-1", "99999999999999999999", "%00", "1/2", "_5f"])
def test_an_entry_that_is_none_is_no_500(key: str, world: World, visit: Any) -> None:
    for page in ("change", "history", "delete"):
        assert visit("management").get(f"{TRAIL}{key}/{page}/").status_code < 500


def test_a_long_trail_is_not_counted_to_its_end(world: World, visit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filters, "MAX_COUNTED_ENTRIES", 5)
    monkeypatch.setattr("audit.admin.entries.MAX_COUNTED_ENTRIES", 5)
    with CaptureQueriesContext(connection) as queries:
        page = text(visit("management"), TRAIL)
    assert "The newest 5 entries." in page
    counts = [query["sql"] for query in queries if "COUNT(" in query["sql"]]
    assert [("LIMIT 5" in sql, "audit" in sql) for sql in counts] == [(True, True)]


def statements(browser: Visitor, path: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        text(browser, path)
    return len(queries)


def test_the_number_of_statements_does_not_grow_with_the_entries(world: World, visit: Any) -> None:
    browser, key = visit("management"), world.own_client.pk
    paths = (f"{TRAIL}?kind=clients_client&object={key}", f"{ADMIN}clients/client/{key}/history/")
    counts = []
    statements(browser, paths[0])  # Django keeps content types in memory
    for times in (1, 20):
        for _ in range(times):
            write(world)
        counts.append([statements(browser, path) for path in paths])
    assert counts[0] == counts[1]


# ------------------------------------------------------------------------------------------------- history of an object


def test_the_history_of_each_kind_is_what_the_trail_tells(world: World, visit: Any) -> None:
    people, browser = world.users, visit("auditor")
    with from_there(reason="Because of the test"), acting_as(Role.SUPERUSER, user_id=people["other_management"].pk):
        group = Group.objects.create(name="Night shift")
        cover = Cover.objects.create(
            colleague=people["sales"], substitute=people["other_sales"], reason="Parental leave",
            ends_at=timezone.now() + timedelta(days=1),
        )  # fmt: skip
        world.own_draft.name, world.own_event.name = "Renamed draft", "Renamed party"
        world.own_draft.save(update_fields=["name"])
        world.own_event.save(update_fields=["name"])
        User.objects.filter(pk=people["unlinked"].pk).update(job_title="Caterer")
    for path, words in (
        (f"auth/group/{group.pk}", "Night shift"), (f"accounts/cover/{cover.pk}", "Parental leave"), (f"contracts/contract/{world.own_draft.pk}", "Renamed draft"),
        (f"events/event/{world.own_event.pk}", "Renamed party"), (f"accounts/user/{people['unlinked'].pk}", "Caterer"),
    ):  # fmt: skip
        page = text(browser, f"{ADMIN}{path}/history/")
        assert words in page, path
        assert "Because of the test" in page
        assert "by other_management" in page
        assert "As superuser, channel command." in page


def test_a_long_history_has_pages(world: World, visit: Any) -> None:
    for number in range(30):
        write(world, last_name=f"Number {number}")
    browser, path = visit("management"), f"{ADMIN}clients/client/{world.own_client.pk}/history/"
    assert "Number 29" in text(browser, path)
    assert "Number 0<" not in text(browser, path)
    assert "Number 0<" in text(browser, f"{path}?p=2")
    for page in ("0", "x", "99999", "%00", "9" * 5000):
        assert browser.get(f"{path}?p={page}").status_code == 200, page


def test_a_history_of_nothing_leads_back(world: World, visit: Any) -> None:
    for key in ("99999999", "abc", "%00"):
        status = visit("management").get(f"{ADMIN}clients/client/{key}/history/").status_code
        assert status == 302 or (status == 400 and key == "%00"), key


def test_who_may_not_read_the_trail_sees_what_django_logged(
    world: World, visit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(world, "A reason of the trail")
    browser, path = visit("management"), f"{ADMIN}clients/client/{world.own_client.pk}/history/"
    assert "A reason of the trail" in text(browser, path)
    monkeypatch.setitem(policy._scopes, ("trail", "retrieve", "management"), policy.NONE)
    assert "A reason of the trail" not in text(browser, path)
