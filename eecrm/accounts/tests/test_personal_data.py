"""Personal data is masked for an auditor, shown to one in PII_VIEW, and masked again on the request after leaving it."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext

from access.database import acting_as
from access.policy import Role, may_export_personal_data, sees_personal_data
from accounts.models import User
from conftest import API, World

ADMIN = "/hidden-admin/"


def put(world: World, name: str, *groups: str) -> User:
    """The account as the next request finds it."""
    with acting_as(Role.SUPERUSER):
        world.users[name].groups.set(Group.objects.filter(name__in=groups))
    return User.objects.get(pk=world.users[name].pk)


def test_who_sees_and_who_may_export(world: World) -> None:
    auditor = User.objects.get(pk=world.users["auditor"].pk)
    assert (sees_personal_data(auditor), may_export_personal_data(auditor)) == (False, False)
    auditor = put(world, "auditor", "PII_VIEW")
    assert (sees_personal_data(auditor), may_export_personal_data(auditor)) == (True, False)
    auditor = put(world, "auditor", "PII")
    assert (sees_personal_data(auditor), may_export_personal_data(auditor)) == (True, True)
    auditor = put(world, "auditor")
    assert (sees_personal_data(auditor), may_export_personal_data(auditor)) == (False, False)
    assert may_export_personal_data(put(world, "sales", "PII"))
    assert not may_export_personal_data(put(world, "sales", "PII_VIEW"))


def api_answers(world: World, auditor: Any) -> dict[str, Any]:
    email = world.own_client.email
    row = auditor.get(f"{API}clients/{world.own_client.pk}/").json()
    return {
        "row": [row["email"], row["phone"], row["mobile"]],
        "filter": auditor.get(f"{API}clients/?email={email}").status_code,
        "filter of contracts": auditor.get(f"{API}contracts/?client_email={email}").status_code,
        "filter of events": auditor.get(f"{API}events/?client_email={email}").status_code,
        "search": len(auditor.get(f"{API}clients/?search=own.example").json()["results"]),
        "order": auditor.get(f"{API}clients/?ordering=email").status_code,
        "told": auditor.get(f"{API}users/me/permissions/").json()["permissions"]["personal_data"],
    }


def test_the_api_asks_anew_for_each_request(world: World, auditor: Any) -> None:
    masked = {
        "row": ["a***@***.example", "***34", "***78"], "filter": 400, "filter of contracts": 400, "filter of events": 400,
        "search": 0, "order": 400, "told": {"retrieve": "none", "export": "none"},
    }  # fmt: skip
    shown = {
        "row": [world.own_client.email, "+33199001234", "+33612345678"], "filter": 200, "filter of contracts": 200,
        "filter of events": 200, "search": 1, "order": 400, "told": {"retrieve": "all", "export": "none"},
    }  # fmt: skip
    assert api_answers(world, auditor) == masked
    put(world, "auditor", "PII_VIEW")
    assert api_answers(world, auditor) == shown
    put(world, "auditor")
    assert api_answers(world, auditor) == masked


def test_a_group_costs_a_request_of_the_api_no_statement(world: World, auditor: Any) -> None:
    counts = []
    auditor.get(API + "clients/")  # with the first one a worker takes requests of the limit, by the dozen
    for groups in ((), ("PII_VIEW",), ("PII_VIEW", "PII")):
        put(world, "auditor", *groups)
        with CaptureQueriesContext(connection) as queries:
            auditor.get(API + "clients/")
        counts.append(len(queries))
    assert len(set(counts)) == 1


def admin_pages(world: World) -> list[str]:
    client, user = world.own_client.pk, world.users["sales"].pk
    return [
        "clients/client/", f"clients/client/{client}/change/", "clients/client/?q=ann.own.company", "accounts/user/",
        f"accounts/user/{user}/change/", "accounts/user/?q=sales@epic",
    ]  # fmt: skip


SECRETS = ("ann.own.company@own.example", "+33199001234", "+33 1 99 00 12 34", "sales@epic.example", "+33199005678")


def test_the_admin_site_asks_anew_for_each_request(world: World, visit: Any) -> None:
    with acting_as(Role.SUPERUSER):
        User.objects.filter(pk=world.users["sales"].pk).update(mobile="+33199005678", job_title="Key account manager")
    auditor, page = visit("auditor"), f"{ADMIN}accounts/user/{world.users['sales'].pk}/change/"
    assert "+33199005678" in visit("management").get(page).content.decode()
    assert "Key account manager" in auditor.get(page).content.decode()

    def told() -> list[bool]:
        pages = (auditor.get(ADMIN + page).content.decode() for page in admin_pages(world))
        return [any(secret in page for secret in SECRETS) for page in pages]

    assert told() == [False] * 6
    put(world, "auditor", "PII_VIEW")
    assert told() == [True] * 6
    put(world, "auditor")
    assert told() == [False] * 6


def test_history_and_log_entries_name_no_personal_data(world: World, visit: Any) -> None:
    client = world.own_client
    form = {
        "company_name": client.company_name, "status": "client", "sales_contact": client.sales_contact_id,
        "account": client.account_id, "first_name": "Ann", "last_name": "Doe", "email": "changed@own.example",
        "phone": "+33199001234", "mobile": "",
    }  # fmt: skip
    assert visit("management").post(f"{ADMIN}clients/client/{client.pk}/change/", form).status_code == 302
    for page in (f"clients/client/{client.pk}/history/", "admin/logentry/"):
        content = visit("auditor").get(ADMIN + page).content.decode()
        assert "Own Company" in content or "Changed" in content
        for secret in (*SECRETS, "changed@own.example"):
            assert secret not in content


@pytest.mark.parametrize(
    "query",
    [
        "accounts/user/?email__startswith=sales@epic", "accounts/user/?mobile__startswith=%2B33", "accounts/user/?email__iregex=.",
        "clients/client/?email__startswith=ann", "clients/client/?phone__contains=33", "clients/client/?search__icontains=ann",
        "clients/client/?sales_contact__email__startswith=sales", "contracts/contract/?client__email__startswith=ann",
        "events/event/?support_contact__email__startswith=s", "admin/logentry/?user__email__startswith=m",
        "accounts/cover/?colleague__email__startswith=s", "auth/group/?user__email__startswith=s",
        "admin/logentry/?user__password__startswith=argon", "accounts/user/?password__startswith=argon",
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["auditor", "management"])
def test_no_list_of_the_admin_site_is_probed_by_a_column_that_it_does_not_offer(
    query: str, name: str, world: World, visit: Any
) -> None:
    response = visit(name).get(ADMIN + query)
    assert (response.status_code, world.own_client.company_name in response.content.decode()) == (400, False)


@pytest.mark.parametrize("moment", ["2026-01-01T00:00:00", "2026-01-01", "2026-01-01%2000:00", "yesterday", ""])
def test_a_filter_takes_no_time_without_an_offset(moment: str, world: World, visit: Any) -> None:
    assert visit("auditor").get(f"{ADMIN}events/event/?starts_at__gte={moment}").status_code == 400


def test_the_filters_that_are_offered_work(world: World, visit: Any) -> None:
    for query in (
        "accounts/user/?role__exact=sales&is_active__exact=1", "events/event/?starts_at__gte=2026-01-01T00:00:00Z", "events/event/?starts_at__isnull=True",
        "events/event/?starts_at__gte=2026-01-01%2000:00:00%2B01:00&starts_at__lt=2026-01-02%2000:00:00%2B01:00",
        f"clients/client/?sales_contact__id__exact={world.users['sales'].pk}", "admin/logentry/?action_time__year=2026",
    ):  # fmt: skip
        assert visit("auditor").get(ADMIN + query).status_code == 200, query
