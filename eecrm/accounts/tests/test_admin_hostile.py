"""The admin site under hostile addresses, hostile forms and an outage."""

from typing import Any

import pytest
from django.contrib import admin
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from audit.models import Entry
from conftest import World

ADMIN = "/hidden-admin/"


@pytest.mark.parametrize(
    ("table", "path"),
    [
        ("clients_client", "clients/client/"),
        ("django_session", ""),
        ("accounts_user", "login/"),
        ("otp_totp_totpdevice", "clients/client/"),
        ("otp_totp_totpdevice", "second-factor/"),
        ("otp_totp_totpdevice", "second-factor/set-up/"),
    ],
)
def test_an_outage_is_a_503_page(table: str, path: str, world: World, visit: Any) -> None:
    def fail(execute: Any, sql: str, params: Any, *rest: Any) -> Any:
        if table in sql:
            raise OperationalError("server closed the connection")
        return execute(sql, params, *rest)

    browser = visit("management")
    with connection.execute_wrapper(fail):
        page = browser.get(ADMIN + path)
    assert (page.status_code, page["Retry-After"]) == (503, "1")
    assert b"The database can't be reached" in page.content


@pytest.mark.parametrize("chosen", ["abc", "", "99999999999999999999", "\x00", "1;DROP TABLE"])
def test_a_hostile_bulk_action_is_no_500(chosen: str, world: World, visit: Any) -> None:
    form = {"action": "delete_selected", "_selected_action": [chosen], "post": "yes"}
    for page in ("accounts/user/", "clients/client/", "events/event/"):
        assert visit("management").confirm(ADMIN + page, form).status_code < 500


@pytest.mark.parametrize(
    "path",
    ["accounts/user/?q=%00", "accounts/user/?role__exact=%00", "accounts/user/?is_active__exact=x", "accounts/user/?bogus=1", "accounts/user/%00/change/",
     "accounts/user/99999999999999999999/change/", "accounts/user/abc/change/", "accounts/user/?p=999999", "accounts/user/?o=x.y.-99",
     "accounts/user/?password__startswith=argon", "clients/client/?sales_contact__password__startswith=a", "contracts/contract/?payment_due__year=99999",
     "events/event/?starts_at__gte=x", "events/event/add/?contract=abc", "events/event/add/?starts_at=x", "contracts/contract/add/?client=abc", "contracts/contract/add/?amount=NaN",
     "admin/logentry/?action_time__year=0", "admin/logentry/?action_time__year=99999&action_time__month=13", "admin/logentry/?q=%00",
     "autocomplete/?app_label=events&model_name=event&field_name=contract&term=%00", "autocomplete/?app_label=x&model_name=y&field_name=z",
     "autocomplete/", "jsi18n/", "nothing/here/", "clients/client/?q=" + "x" * 5000, "r/1/1/", "r/99999999999999999999/1/",
     "second-factor/?next=%00", "second-factor/set-up/?next=%0d%0aSet-Cookie:x", "second-factor/manage/?next=//evil.example", "second-factor/%00/",
     "second-factor/set-up/x", "login/?next=%00", "login/?next=https://[", "logout/?next=%ff"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["management", "auditor"])
def test_no_address_of_the_admin_site_is_a_500(path: str, name: str, world: World, visit: Any) -> None:
    assert visit(name).get(ADMIN + path).status_code < 500


# The trail is searched by a request id, a number and eight words (`audit.admin.filters.matching`).
SEARCHED = [model._meta for model, page in admin.site._registry.items() if page.search_fields and model is not Entry]
CHOICES = "autocomplete/?app_label={}&model_name={}&field_name={}&term="
SEARCHES = [f"{options.app_label}/{options.model_name}/?q=" for options in SEARCHED] + [
    CHOICES.format("contracts", "contract", "client"), CHOICES.format("events", "event", "contract"),
]  # fmt: skip


@pytest.mark.parametrize("search", SEARCHES)
def test_a_search_asks_for_so_many_words_only(search: str, world: World, visit: Any) -> None:
    """2,000 words kept PostgreSQL busy for 15 s."""
    browser = visit("superuser")
    assert browser.get(f"{ADMIN}{search}{'a+' * 100}a").status_code == 400
    with CaptureQueriesContext(connection) as asked:
        assert browser.get(f"{ADMIN}{search}{'+'.join(f'w{number}' for number in range(40))}").status_code == 200
    assert "w7" in str([one["sql"] for one in asked])
    assert "w8" not in str([one["sql"] for one in asked])
