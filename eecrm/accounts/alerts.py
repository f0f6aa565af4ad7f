"""Much of one kind by one account in a short time: found in the audit trail by a worker, and told to all managers once.

The counts come from the trail, so that it makes no difference through what something was done.
"""

from datetime import timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection
from django.db.models import Q

from access.database import acting_as, acting_as_login_role
from access.policy import Role
from access.security_log import security_event
from accounts.models import Alert, Mail, User
from audit.seen import SEEN, was_seen

EVERY = 60  # seconds
LOOKBACK = timedelta(days=1)  # what a worker that stood still for less finds all the same
MAX_ENTRIES = 50_000  # of one kind that are looked at, the newest


class Watched(NamedTuple):
    """Entries of one kind. The conditions are those of the indexes in `audit/migrations/0006_watched.py`."""

    entries: str  # which ones, in SQL
    subject: str  # what is counted separately, in SQL
    event: str  # in the OWASP Logging Vocabulary


WATCHED = {
    Alert.Kind.DELETIONS: Watched(
        "operation = 'delete' AND table_name IN "
        "('clients_client', 'contracts_contract', 'events_event', 'accounts_user', 'auth_group')",
        "''",
        "sensitive_delete",
    ),
    Alert.Kind.CHANGES: Watched(
        "operation = 'update' AND table_name IN ('clients_client', 'contracts_contract', 'events_event')",
        "''",
        "sensitive_update",
    ),
    Alert.Kind.ACCOUNTS: Watched(
        "operation <> 'delete' AND (table_name = 'accounts_user' AND new ?| '{is_active,role}'"
        " OR table_name = 'accounts_user_groups')",
        "''",
        "privilege_permissions_changed",
    ),
    Alert.Kind.REOPENINGS: Watched(
        "operation = 'update' AND table_name = 'contracts_contract' AND old ->> 'status' = 'signed'",
        "''",
        "sensitive_update",
    ),
    Alert.Kind.SIGNATURES: Watched(
        "operation = 'update' AND table_name = 'contracts_contract' AND new ? 'status'", "row_key", "sensitive_update"
    ),
    Alert.Kind.EXPORTS: Watched(
        "operation = 'insert' AND table_name = 'accounts_export'", "''", "sensitive_read"
    ),
}

# An account (and subject) is found at the first entry with which it reaches the threshold. What it did within the span
# before and after that one is told together. What it does then within a span of that is told once the span is over, so
# that each mail stands for a span, and nobody has a free hand after the first one. Told is what an alert covers and had
# seen (`audit.seen`): what is committed later, with an earlier time, is told later.
_FIND = """
    WITH told AS (
        SELECT * FROM accounts_alert WHERE kind = %(kind)s
    ), last AS (
        SELECT DISTINCT ON (actor_id, subject) actor_id, subject, id, last_at, told_at FROM told
         ORDER BY actor_id, subject, id DESC
    ), recent AS MATERIALIZED (  -- what is kept is no older: all that were ever told would be compared with each entry
        SELECT * FROM told WHERE last_at > statement_timestamp() - %(lookback)s
    ), kept AS (
        SELECT id, transaction_id, at, actor_id, actor_name, {subject} AS subject FROM audit.entry
         WHERE {entries} AND at > statement_timestamp() - %(lookback)s ORDER BY at DESC LIMIT %(most)s
    ), watched AS (
        SELECT kept.*, coalesce(last.id, 0) AS previous
          FROM kept LEFT JOIN last ON coalesce(last.actor_id, 0) = coalesce(kept.actor_id, 0) AND last.subject = kept.subject
         WHERE (last.id IS NULL OR at > last_at + %(span)s OR told_at < statement_timestamp() - %(span)s)
           AND NOT EXISTS (
               SELECT FROM recent WHERE coalesce(recent.actor_id, 0) = coalesce(kept.actor_id, 0) AND recent.subject = kept.subject
                  AND kept.at BETWEEN first_at AND recent.last_at AND {was_seen})
    ), counted AS (
        SELECT *, count(*) OVER (PARTITION BY actor_id, subject ORDER BY at RANGE %(span)s PRECEDING) AS reached FROM watched
    ), first AS (
        SELECT DISTINCT ON (actor_id, subject) actor_id, subject, at FROM counted
         WHERE reached >= %(threshold)s ORDER BY actor_id, subject, at
    )
    SELECT watched.actor_id, max(actor_name), watched.subject, count(*), min(watched.at), max(watched.at), previous, {seen}
      FROM first JOIN watched ON coalesce(watched.actor_id, 0) = coalesce(first.actor_id, 0) AND watched.subject = first.subject
                             AND watched.at BETWEEN first.at - %(span)s AND first.at + %(span)s
     GROUP BY watched.actor_id, watched.subject, previous
"""
_STORE = """
    INSERT INTO accounts_alert (kind, actor_id, actor_name, subject, count, first_at, last_at, previous_id, seen, told_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, now()) ON CONFLICT DO NOTHING RETURNING id
"""  # now(): all of one look have the same, by which their mail lists them


def watch() -> bool:
    """Tell of what is new, in one mail to each manager. Returns whether there was something."""
    with acting_as(Role.MANAGEMENT):  # which reads all of the trail
        found = [alert for kind in WATCHED for alert in _found(kind)]
    if not found:
        return False
    with acting_as_login_role():  # which alone stores alerts
        told = [alert for alert in found if _is_stored(alert)]
        Mail.objects.bulk_create(
            Mail(kind=Mail.Kind.UNUSUAL_ACTIVITY, user=manager, alert=told[-1]) for manager in (_managers() if told else ())
        )
    for alert in told:  # only now are they committed
        _log(alert)
    return bool(told)


def look() -> None:
    """What a worker does: a flood makes one mail in so many seconds, since nothing found has it look again at once."""
    watch()


def _found(kind: Alert.Kind) -> list[Alert]:
    watched, (threshold, seconds) = WATCHED[kind], settings.ALERTS[kind.value]
    values: dict[str, Any] = {"kind": kind.value, "lookback": LOOKBACK, "most": MAX_ENTRIES}
    with connection.cursor() as cursor:
        cursor.execute(
            _FIND.format(
                entries=watched.entries, subject=watched.subject, seen=SEEN, was_seen=was_seen("recent.seen", "kept")
            ),
            values | {"threshold": threshold, "span": timedelta(seconds=seconds)},
        )
        names = ("actor_id", "actor_name", "subject", "count", "first_at", "last_at", "previous_id", "seen")
        return [Alert(kind=kind, **dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def _is_stored(alert: Alert) -> bool:
    """False where another worker has told of it in the meantime."""
    values = [alert.kind, alert.actor_id, alert.actor_name, alert.subject, alert.count, alert.first_at, alert.last_at]
    with connection.cursor() as cursor:
        cursor.execute(_STORE, [*values, alert.previous_id, alert.seen])
        row = cursor.fetchone()
    alert.pk = row[0] if row else None
    return row is not None


def _managers() -> list[User]:
    return list(User.objects.active().filter(Q(role=Role.MANAGEMENT) | Q(is_superuser=True)).order_by("pk"))


def _log(alert: Alert) -> None:
    security_event(
        WATCHED[Alert.Kind(alert.kind)].event,
        what="unusual activity",
        alert=alert.pk,
        kind=alert.kind,
        account=alert.actor_id,
        contract=alert.subject or None,
        count=alert.count,
        since=alert.first_at.isoformat(),
        until=alert.last_at.isoformat(),
    )
