"""Mails to managers with news of accounts: changes in the audit trail since the last such mail to the manager."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from django.db import connection, models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.expressions import RawSQL
from django.db.models.fields.json import KT

from access.database import acting_as
from access.policy import Role
from accounts.models import AddressChange, Alert, ExternalIdentity, Mail, User
from audit.models import Entry
from audit.trail.seen import SNAPSHOT, was_seen

MAX_LINES = 50  # maximum number of lines in a mail for each kind of news
MAX_LINES_PER_ACTOR = 10  # maximum number of lines in a mail for each kind of news and each actor
# Alerts about a single contract come last, because a mail lists at most MAX_LINES alerts.
# Otherwise a user who signs and reopens many contracts could push more important alerts out of the mail.
ALERT_ORDER = ("subject", "id")
_PRIVILEGED = (Role.MANAGEMENT, Role.AUDITOR)
_FIRST_PERIOD = timedelta(days=1)  # the first mail to a manager looks back for this time

# Kinds of news, in their order in the mail. Changes that may let a user into another account come first.
# Each kind has its own maximum number of lines, so that a kind with many lines doesn't displace another kind.
_MANAGERS, _IDENTITIES = "managers made, unmade or switched on or off", "identities bound or taken away"
_ASKED, _OTHERS, _NAME_COLUMNS = "addresses asked for or dropped", "other changes of accounts", "display names"
_KINDS = (_MANAGERS, _IDENTITIES, _ASKED, _OTHERS, _NAME_COLUMNS)


def news_for(mail: Mail) -> list[str]:
    """Returns the lines of a mail with news. Sets `mail.seen` to the present snapshot.

    The manager's next mail has the news since this snapshot. The lines identify accounts by username and key, because
    users can change their other names.

    The first lines are alerts that weren't mailed to this manager, for example because the account was inactive.
    Without these lines, a manager could deactivate the other managers, act, and activate them again. The others
    wouldn't notice.
    """
    last_seen = last_news().filter(user=mail.user_id).values_list("seen", flat=True).first()
    with acting_as(Role.AUDITOR):
        # Read the snapshot before the entries. Otherwise no mail would report an entry that is committed in between.
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {SNAPSHOT}")
            (mail.seen,) = cursor.fetchone()
        rows = Entry.objects.order_by("id")
        if last_seen:
            is_seen = RawSQL(was_seen("%s"), [last_seen] * 3, models.BooleanField())
            rows = rows.alias(is_seen=is_seen).filter(is_seen=False)
        else:
            rows = rows.filter(at__gt=min([mail.created_at, *_unmade_at(mail)]) - _FIRST_PERIOD)
        entries = list(rows.alias(username=KT("new__username")).filter(_news()))
        keys = {_account_key(entry) for entry in entries}
        accounts = User.objects.only("username", "role", "is_superuser").in_bulk(keys)
        alerts = _missed_alerts(mail, rows)
    return _alert_lines(alerts) + _news_lines(entries, accounts)


def last_news() -> models.QuerySet[Mail]:
    """Returns the last mail with news that was sent to each manager.

    The next mail to a manager tells of all changes that came after the last one was written.
    """
    sent = Mail.objects.filter(kind=Mail.Kind.ACCOUNT_NEWS, sent_at__isnull=False).exclude(seen="")
    return sent.order_by("user_id", "-sent_at").distinct("user_id")


def _unmade_at(mail: Mail) -> list[datetime]:
    """Returns a list with one time: when the account was last deactivated or lost a manager's role. [] if never.

    After that time the account got no mail with news. So its next mail must also have the news since that time.
    """
    lost = Q(new__is_active=False) | Q(old__role=Role.MANAGEMENT, new__has_key="role") | Q(old__is_superuser=True)
    own = Entry.objects.filter(lost, table_name=User._meta.db_table, row_key=str(mail.user_id), operation="update")
    return list(own.order_by("-id").values_list("at", flat=True)[:1])


def _missed_alerts(mail: Mail, rows: models.QuerySet[Entry]) -> list[Alert]:
    """Returns the alerts that the entries in `rows` record and that weren't mailed to this manager."""
    keys = rows.filter(table_name=Alert._meta.db_table, operation="insert").values_list("row_key", flat=True)
    mailed = Mail.objects.filter(kind=Mail.Kind.UNUSUAL_ACTIVITY, user=mail.user_id, given_up_at=None)
    # All alerts of a transaction have the same time, and one mail lists all of them.
    # The mail's row refers only to the last of these alerts, so the alerts in the mail are found by their time.
    missed = Alert.objects.filter(pk__in=[int(key) for key in keys])
    return list(missed.exclude(told_at__in=mailed.values("alert__told_at")).order_by(*ALERT_ORDER))


def _alert_lines(alerts: list[Alert]) -> list[str]:
    lines = [f"{alert.told_at:%-d %B, %H:%M} UTC: {alert.sentence} (alert {alert.pk})" for alert in alerts[:MAX_LINES]]
    return lines + ([f"and {len(alerts) - MAX_LINES} more alerts"] if len(alerts) > MAX_LINES else [])


def _news_lines(entries: list[Entry], accounts: dict[int, User]) -> list[str]:
    """Returns the lines of the mail, by kind.

    If a user changes a display name several times, only the last change is listed.
    """
    changes = {entry.pk: _changes(entry, accounts.get(_account_key(entry))) for entry in entries}
    kinds = {key: found[0][0] for key, found in changes.items() if found}
    last_names = {
        (entry.row_key, entry.actor_id): entry.pk for entry in entries if kinds.get(entry.pk) == _NAME_COLUMNS
    }
    lines = []
    for kind in _KINDS:
        of_kind = [
            entry
            for entry in entries
            if kinds.get(entry.pk) == kind
            and (kind != _NAME_COLUMNS or last_names[entry.row_key, entry.actor_id] == entry.pk)
        ]
        of_kind.sort(key=lambda entry: (entry.actor_id or 0, _place(entry, accounts)))
        by_actor = [(actor, list(group)) for actor, group in groupby(of_kind, key=_describe_actor)]
        shown = [entry for _, group in by_actor for entry in group[:MAX_LINES_PER_ACTOR]][:MAX_LINES]
        lines += [_news_line(entry, changes[entry.pk], accounts) for entry in sorted(shown, key=lambda entry: entry.pk)]
        too_many = [(actor, len(group) - MAX_LINES_PER_ACTOR) for actor, group in by_actor]
        more = [(actor, number) for actor, number in too_many if number > 0][:MAX_LINES]
        others = len(of_kind) - len(shown) - sum(number for _, number in more)
        lines += [f"and {number} more{actor.removeprefix(',')}: {kind}" for actor, number in more]
        lines += [f"and {others} more by others: {kind}"] if others else []
    return lines


def _place(entry: Entry, accounts: dict[int, User]) -> tuple[bool, bool, int]:
    """Returns the key by which the entries of one actor and kind are sorted. The mail lists only the first entries.

    Existing accounts come before new ones, and accounts with many rights before others. So entries about less important
    accounts can't push them out of the mail.
    """
    return entry.operation == "insert", not _is_privileged(accounts.get(_account_key(entry))), entry.pk


def _is_privileged(account: User | None) -> bool:
    return account is not None and (account.is_superuser or account.role in _PRIVILEGED)


def _news() -> Q:
    of_accounts, update = Q(table_name=User._meta.db_table), Q(operation="update")
    renamed = of_accounts & update & Q(new__has_any_keys=["username", "first_name", "last_name"])
    asked = Q(table_name=AddressChange._meta.db_table, operation="insert")
    # The worker deletes changes that have expired, and the confirmation deletes its change.
    dropped = Q(table_name=AddressChange._meta.db_table, operation="delete", old__confirmed_by_id=None)
    dropped &= ~Q(channel="worker") & ~Q(old__asked_by_id=F("old__user_id"))
    # A manager may correct the address of an account before its first login.
    # Other managers get a mail about a corrected address only if the account is a manager's or an auditor's.
    is_privileged = Q(role__in=_PRIVILEGED) | Q(is_superuser=True)
    moved = Q(new__email="") | Q(new__has_keys=["email", "email_confirmed_at"])
    moved |= Q(new__has_key="email") & Q(row_key__in=_keys(User.objects.filter(is_privileged)))
    moved &= of_accounts & update
    managers = of_accounts & (Q(new__role__in=_PRIVILEGED) | Q(new__is_superuser=True))
    former = Q(old__role__in=_PRIVILEGED) & (Q(new__has_key="role") | Q(operation="delete"))
    managers |= of_accounts & (former | Q(old__is_superuser=True))
    switched = of_accounts & update & Q(new__has_key="is_active", row_key__in=_keys(User.objects.filter(is_privileged)))
    # A new account with a deleted account's username is news: colleagues could mistake its user for the former one.
    # The filters repeat expression and condition of the index `entry_of_username`, so that PostgreSQL uses the index.
    earlier = Entry.objects.alias(name=KT("new__username")).filter(of_accounts, new__has_key="username")
    earlier = earlier.filter(name=OuterRef("username")).exclude(row_key=OuterRef("row_key"))
    remade = of_accounts & Q(operation="insert") & Exists(earlier)
    # An identity without an actor isn't news: `enrol_identity` created it together with an external account.
    identities = Q(table_name=ExternalIdentity._meta.db_table, operation__in=["insert", "delete"])
    identities &= Q(actor_id__isnull=False) | Q(channel="command")
    return renamed | asked | dropped | moved | managers | switched | remade | identities


def _keys(accounts: models.QuerySet[User]) -> list[str]:
    return [str(pk) for pk in accounts.values_list("pk", flat=True)]


def _account_key(entry: Entry) -> int:
    if entry.table_name == User._meta.db_table:
        return int(entry.row_key)
    return int((entry.new or entry.old or {}).get("user_id") or 0)


def _news_line(entry: Entry, changes: list[tuple[str, str]], accounts: dict[int, User]) -> str:
    key = _account_key(entry)
    account = f"{accounts[key].username} (account {key})" if key in accounts else f"Account {key}"
    described = ", and ".join(sentence for _, sentence in changes)
    return f"{entry.at:%-d %B, %H:%M} UTC: {account}: {described}{_describe_actor(entry)}"


def _describe_actor(entry: Entry) -> str:
    return f", by {entry.actor_name} (account {entry.actor_id})" if entry.actor_id else ", by a command on the server"


def _changes(entry: Entry, account: User | None) -> list[tuple[str, str]]:
    """Returns the changes of the entry, each with its kind of news. The mail lists the entry under the first kind."""
    new, old = entry.new or {}, entry.old or {}
    if entry.table_name == AddressChange._meta.db_table and entry.operation == "delete":
        return [(_ASKED, "the other address, which waited to be confirmed, was dropped")]
    if entry.table_name == AddressChange._meta.db_table:
        return [(_ASKED, "another address was asked for, and waits to be confirmed")]
    if entry.table_name == ExternalIdentity._meta.db_table:
        bound = entry.operation == "insert"
        return [(_IDENTITIES, "bound to an identity" if bound else "its identity was taken away")]
    if entry.operation == "delete":
        return [(_MANAGERS, f"the account of {_title(old)} was deleted")]
    if entry.operation == "insert":
        made = f"a new account: {_title(new)}" if _title(new) else "a new account under the username of a deleted one"
        return [(_MANAGERS, made)]
    return list(_changes_of_account(new, old, is_privileged=_is_privileged(account)))


def _changes_of_account(new: dict[str, Any], old: dict[str, Any], *, is_privileged: bool) -> Iterator[tuple[str, str]]:
    if _title(new):
        yield _MANAGERS, f"became {_title(new)}"
    elif _title(old):
        yield _MANAGERS, f"is {_title(old)} no more"
    elif "is_active" in new and is_privileged:
        yield _MANAGERS, f"a privileged account {'is active again' if new['is_active'] else 'was deactivated'}"
    if "username" in new:
        yield _OTHERS, f"was called {old.get('username')} before"
    if "email" in new and not new["email"]:
        yield _OTHERS, "its address was taken away"
    elif "email" in new and "email_confirmed_at" in new:
        yield _OTHERS, "its address was changed"
    elif "email" in new and is_privileged:
        yield _OTHERS, "its address was changed before it was in use"
    if not {"first_name", "last_name"}.isdisjoint(new):
        yield _NAME_COLUMNS, "another display name"


def _title(values: dict[str, Any]) -> str:
    """Returns "a superuser", "an auditor" or "a manager" for these columns.

    Returns an empty string for all other roles, because they have few rights.
    """
    if values.get("is_superuser"):
        return "a superuser"
    return {Role.AUDITOR.value: "an auditor", Role.MANAGEMENT.value: "a manager"}.get(values.get("role", ""), "")
