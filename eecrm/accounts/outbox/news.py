"""What happened to accounts that a manager wasn't told yet: the trail has it."""

from datetime import datetime, timedelta
from itertools import groupby

from django.db import connection, models
from django.db.models import Q
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast

from access.database import acting_as
from access.policy import Role
from accounts.models import AddressChange, Alert, ExternalIdentity, Mail, User
from audit.models import Entry
from audit.seen import SEEN, was_seen

MAX_LINES = 50  # of each kind
MAX_OF_ONE = 10  # of these, by one account
_FIRST = timedelta(days=1)  # how far the first of these mails looks back

# What may let somebody into another account comes first, and none takes the room of another.
_MANAGERS, _IDENTITIES = "managers made, unmade or switched on or off", "identities bound or taken away"
_ASKED, _OTHERS, _NAMES = "addresses asked for", "other changes of accounts", "display names"
_KINDS = (_MANAGERS, _IDENTITIES, _ASKED, _OTHERS, _NAMES)


def news_for(mail: Mail) -> list[str]:
    """By username and key: no text that anybody chose for themselves. Notes what this mail has seen, for the next one.

    With the alerts since the last one that this manager got no mail of: nobody makes others no managers for as long as it takes.
    """
    last = last_news().filter(user=mail.user_id).values_list("seen", flat=True).first()
    with acting_as(Role.AUDITOR):
        # First: what is committed between the two statements is told twice, rather than never.
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {SEEN}")
            (mail.seen,) = cursor.fetchone()
        new = Entry.objects.order_by("id")
        if last:
            new = new.alias(told=RawSQL(was_seen("%s"), [last, last], models.BooleanField())).filter(told=False)
        else:
            new = new.filter(at__gt=min([mail.created_at, *_unmade(mail)]) - _FIRST)
        found = list(new.filter(_news()))
        names = dict(User.objects.filter(pk__in={_account(one) for one in found}).values_list("pk", "username"))
        alerts = _missed_alerts(mail, new)
    return _lines_of_alerts(alerts) + _lines(found, names)


def last_news() -> models.QuerySet[Mail]:
    """The last mail of news that each manager was sent: it says what the next one tells."""
    sent = Mail.objects.filter(kind=Mail.Kind.ACCOUNT_NEWS, sent_at__isnull=False).exclude(seen="")
    return sent.order_by("user_id", "-sent_at").distinct("user_id")


def _unmade(mail: Mail) -> list[datetime]:
    """When its account was last made no manager's, or inactive: from then on it got no mail of news."""
    off = Q(new__is_active=False) | Q(old__role=Role.MANAGEMENT, new__has_key="role") | Q(old__is_superuser=True)
    own = Entry.objects.filter(off, table_name=User._meta.db_table, row_key=str(mail.user_id), operation="update")
    return list(own.order_by("-id").values_list("at", flat=True)[:1])


def _missed_alerts(mail: Mail, new: models.QuerySet[Entry]) -> list[Alert]:
    keys = new.filter(table_name=Alert._meta.db_table, operation="insert").values_list("row_key", flat=True)
    mailed = Mail.objects.filter(kind=Mail.Kind.UNUSUAL_ACTIVITY, user=mail.user_id, given_up_at=None)
    # A mail names the last alert of a look, and tells of all that were told at that moment.
    missed = Alert.objects.filter(pk__in=[int(key) for key in keys]).exclude(told_at__in=mailed.values("alert__told_at"))
    return list(missed.order_by("id"))


def _lines_of_alerts(alerts: list[Alert]) -> list[str]:
    shown = [f"{one.told_at:%-d %B, %H:%M} UTC: {one.sentence} (alert {one.pk})" for one in alerts[:MAX_LINES]]
    return shown + ([f"and {len(alerts) - MAX_LINES} more alerts"] if len(alerts) > MAX_LINES else [])


def _lines(entries: list[Entry], names: dict[int, str]) -> list[str]:
    """Of many new names of one account the last one alone."""
    last = {one.row_key: one.pk for one in entries if _is_name(one)}
    lines = []
    for kind in _KINDS:
        of_kind = [one for one in entries if _kind(one) == kind and (kind != _NAMES or last[one.row_key] == one.pk)]
        of_kind.sort(key=lambda one: (one.actor_id or 0, one.pk))
        told = [(who, list(its)) for who, its in groupby(of_kind, key=_by)]
        shown = [line for _, its in told for line in its[:MAX_OF_ONE]][:MAX_LINES]
        lines += [_line(one, names) for one in sorted(shown, key=lambda one: one.pk)]
        more = [(who, len(its) - MAX_OF_ONE) for who, its in told if len(its) > MAX_OF_ONE][:MAX_LINES]
        others = len(of_kind) - len(shown) - sum(number for _, number in more)
        lines += [f"and {number} more{who.removeprefix(',')}: {kind}" for who, number in more]
        lines += [f"and {others} more by others: {kind}"] if others else []
    return lines


def _kind(entry: Entry) -> str:
    if entry.table_name == AddressChange._meta.db_table:
        return _ASKED
    if entry.table_name == ExternalIdentity._meta.db_table:
        return _IDENTITIES
    if entry.operation != "update" or not {"role", "is_superuser", "is_active"}.isdisjoint(entry.new or ()):
        return _MANAGERS
    return _NAMES if _is_name(entry) else _OTHERS


def _is_name(entry: Entry) -> bool:
    return entry.operation == "update" and not {"first_name", "last_name"}.isdisjoint(entry.new or ()) and not (
        {"email", "role", "is_superuser", "is_active", "username"} & (entry.new or {}).keys()
    )


def _news() -> Q:
    renamed = Q(table_name=User._meta.db_table, operation="update", row_key=Cast("actor_id", models.TextField()))
    renamed &= Q(new__has_any_keys=["first_name", "last_name"])
    of_accounts, update = Q(table_name=User._meta.db_table), Q(operation="update")
    asked = Q(table_name=AddressChange._meta.db_table, operation="insert")
    # Of an address that is corrected before the account is in use, no confirmation changes: it is news where much is allowed.
    mighty = Q(role__in=[Role.MANAGEMENT, Role.AUDITOR]) | Q(is_superuser=True)
    moved = Q(new__email="") | Q(new__has_keys=["email", "email_confirmed_at"])
    moved |= Q(new__has_key="email") & Q(row_key__in=_keys(User.objects.filter(mighty)))
    moved &= of_accounts & update
    managers = of_accounts & (Q(new__role=Role.MANAGEMENT) | Q(new__is_superuser=True))
    former = Q(old__role=Role.MANAGEMENT) & (Q(new__has_key="role") | Q(operation="delete"))
    managers |= of_accounts & (former | Q(old__is_superuser=True))
    renamed |= of_accounts & update & Q(new__has_key="username")
    now = _keys(User.objects.filter(Q(role=Role.MANAGEMENT) | Q(is_superuser=True)))
    switched = of_accounts & update & Q(new__has_key="is_active", row_key__in=now)
    # An identity that nobody bound came with an account for a newcomer.
    identities = Q(table_name=ExternalIdentity._meta.db_table, operation__in=["insert", "delete"])
    identities &= Q(actor_id__isnull=False) | Q(channel="command")
    return renamed | asked | moved | managers | switched | identities


def _keys(accounts: models.QuerySet[User]) -> list[str]:
    return [str(pk) for pk in accounts.values_list("pk", flat=True)]


def _account(entry: Entry) -> int:
    if entry.table_name == User._meta.db_table:
        return int(entry.row_key)
    return int((entry.new or entry.old or {}).get("user_id") or 0)


def _line(entry: Entry, names: dict[int, str]) -> str:
    key = _account(entry)
    account = f"{names[key]} (account {key})" if key in names else f"Account {key}"
    return f"{entry.at:%-d %B, %H:%M} UTC: {account}: {_what(entry)}{_by(entry)}"


def _by(entry: Entry) -> str:
    return f", by {entry.actor_name} (account {entry.actor_id})" if entry.actor_id else ", by a command on the server"


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
    return _what_of_address(new) if "email" in new else "another display name"


def _what_of_address(new: dict[str, object]) -> str:
    if not new["email"]:
        return "its address was taken away"
    return "its address was changed" if "email_confirmed_at" in new else "its address was changed before it was in use"


def _title(new: dict[str, object]) -> str:
    return "superuser" if new.get("is_superuser") else "manager"
