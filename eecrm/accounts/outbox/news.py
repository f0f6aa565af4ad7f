"""What happened to accounts since a manager was last told: the trail has it."""

from datetime import timedelta
from typing import NamedTuple

from django.db.models import Max, Q
from django.db.models.functions import Cast
from django.db import models

from access.database import acting_as
from access.policy import Role
from accounts.models import AddressChange, Mail, User
from audit.models import Entry

MAX_LINES = 50
_FIRST = timedelta(days=1)  # how far the first of these mails looks back


class News(NamedTuple):
    lines: list[str]
    more: int


def news_for(mail: Mail) -> News:
    """Renamed accounts, and addresses that were asked for, by username and key: no text that anybody chose for themselves."""
    before = Mail.objects.filter(kind=mail.kind, user=mail.user_id, pk__lt=mail.pk).aggregate(last=Max("sent_at"))
    since = before["last"] or mail.created_at - _FIRST
    with acting_as(Role.AUDITOR):
        entries = list(_entries().filter(at__gt=since).order_by("id"))
        names = dict(User.objects.filter(pk__in={_account(one) for one in entries}).values_list("pk", "username"))
    lines = [_line(one, names) for one in entries]
    return News(lines[:MAX_LINES], len(lines[MAX_LINES:]))


def _entries() -> models.QuerySet[Entry]:
    renamed = Q(table_name=User._meta.db_table, operation="update", row_key=Cast("actor_id", models.TextField()))
    renamed &= Q(new__has_any_keys=["first_name", "last_name"])
    asked = Q(table_name=AddressChange._meta.db_table) & ~Q(operation="delete")
    emptied = Q(table_name=User._meta.db_table, operation="update", new__email="")
    return Entry.objects.filter(renamed | asked | emptied)


def _account(entry: Entry) -> int:
    if entry.table_name == User._meta.db_table:
        return int(entry.row_key)
    return int((entry.new or {}).get("user_id") or 0)


def _line(entry: Entry, names: dict[int, str]) -> str:
    key = _account(entry)
    account = f"{names[key]} (account {key})" if key in names else f"Account {key}"
    if entry.table_name == User._meta.db_table:
        what = "its address was taken away" if "email" in (entry.new or {}) else "another display name"
    else:
        what = "another address was asked for, and waits to be confirmed"
    by = f", by {entry.actor_name} (account {entry.actor_id})" if entry.actor_id else ", by a command on the server"
    return f"{entry.at:%-d %B, %H:%M} UTC: {account}: {what}{by}"
