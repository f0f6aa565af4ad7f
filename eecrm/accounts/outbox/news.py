"""What happened to accounts since a manager was last told: the trail has it."""

from datetime import timedelta
from typing import NamedTuple

from django.db.models import Max, Q
from django.db.models.functions import Cast
from django.db import models

from access.database import acting_as
from access.policy import Role
from accounts.models import AddressChange, ExternalIdentity, Mail, User
from audit.models import Entry

MAX_LINES = 50
_FIRST = timedelta(days=1)  # how far the first of these mails looks back


class News(NamedTuple):
    lines: list[str]
    more: int


def news_for(mail: Mail) -> News:
    """By username and key: no text that anybody chose for themselves."""
    before = Mail.objects.filter(kind=mail.kind, user=mail.user_id, pk__lt=mail.pk).aggregate(last=Max("sent_at"))
    since = before["last"] or mail.created_at - _FIRST
    with acting_as(Role.AUDITOR):
        entries = list(_entries().filter(at__gt=since).order_by("id"))
        names = dict(User.objects.filter(pk__in={_account(one) for one in entries}).values_list("pk", "username"))
    lines = [_line(one, names) for one in _worth_telling(entries)]
    return News(lines[:MAX_LINES], len(lines[MAX_LINES:]))


def _worth_telling(entries: list[Entry]) -> list[Entry]:
    """What may let a manager into another account comes first, and of many new names of one account the last one, last: so
    nobody hides the one behind the other."""
    named = {one.row_key: one for one in entries if _is_name(one)}
    asked = [one for one in entries if one.table_name == AddressChange._meta.db_table]
    others = [one for one in entries if not _is_name(one) and one.table_name != AddressChange._meta.db_table]
    return [*others, *asked, *named.values()]


def _is_name(entry: Entry) -> bool:
    return entry.operation == "update" and not {"first_name", "last_name"}.isdisjoint(entry.new or ()) and not (
        {"email", "role", "is_superuser", "is_active", "username"} & (entry.new or {}).keys()
    )


def _entries() -> models.QuerySet[Entry]:
    renamed = Q(table_name=User._meta.db_table, operation="update", row_key=Cast("actor_id", models.TextField()))
    renamed &= Q(new__has_any_keys=["first_name", "last_name"])
    of_accounts, update = Q(table_name=User._meta.db_table), Q(operation="update")
    asked = Q(table_name=AddressChange._meta.db_table, operation="insert")
    # Of an address that is corrected before the account is in use, no confirmation changes.
    moved = of_accounts & update & (Q(new__email="") | Q(new__has_keys=["email", "email_confirmed_at"]))
    managers = of_accounts & (Q(new__role=Role.MANAGEMENT) | Q(new__is_superuser=True))
    former = Q(old__role=Role.MANAGEMENT) & (Q(new__has_key="role") | Q(operation="delete"))
    managers |= of_accounts & (former | Q(old__is_superuser=True))
    renamed |= of_accounts & update & Q(new__has_key="username")
    now = list(map(str, User.objects.filter(Q(role=Role.MANAGEMENT) | Q(is_superuser=True)).values_list("pk", flat=True)))
    switched = of_accounts & update & Q(new__has_key="is_active", row_key__in=now)
    # An identity that nobody bound came with an account for a newcomer.
    identities = Q(table_name=ExternalIdentity._meta.db_table, operation__in=["insert", "delete"])
    identities &= Q(actor_id__isnull=False) | Q(channel="command")
    return Entry.objects.filter(renamed | asked | moved | managers | switched | identities)


def _account(entry: Entry) -> int:
    if entry.table_name == User._meta.db_table:
        return int(entry.row_key)
    return int((entry.new or entry.old or {}).get("user_id") or 0)


def _line(entry: Entry, names: dict[int, str]) -> str:
    key = _account(entry)
    account = f"{names[key]} (account {key})" if key in names else f"Account {key}"
    by = f", by {entry.actor_name} (account {entry.actor_id})" if entry.actor_id else ", by a command on the server"
    return f"{entry.at:%-d %B, %H:%M} UTC: {account}: {_what(entry)}{by}"


def _what(entry: Entry) -> str:
    new = entry.new or {}
    if entry.table_name == AddressChange._meta.db_table:
        return "another address was asked for, and waits to be confirmed"
    if entry.table_name == ExternalIdentity._meta.db_table:
        return "bound to an identity" if entry.operation == "insert" else "its identity was taken away"
    if entry.operation == "delete":
        return f"the account of a {_title(entry.old or {})} was deleted"
    if entry.operation == "insert":
        return f"a new account: a {_title(new)}"
    if new.get("role") == Role.MANAGEMENT or new.get("is_superuser"):
        return f"became a {_title(new)}"
    if "role" in new or "is_superuser" in new:
        return f"is no {_title(entry.old or {})} any more"
    if "is_active" in new:
        return f"a manager's account {'is active again' if new['is_active'] else 'was deactivated'}"
    if "username" in new:
        return f"was called {(entry.old or {}).get('username')} before"
    if "email" in new:
        return "its address was changed" if new["email"] else "its address was taken away"
    return "another display name"


def _title(new: dict[str, object]) -> str:
    return "superuser" if new.get("is_superuser") else "manager"
