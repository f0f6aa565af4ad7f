"""Alerts about unusual activity. A worker finds it in the audit trail, and mails each alert to all managers once.

Activity is unusual if one account does many actions of one kind in a short time. Actions in all channels (API, admin
site, commands) are counted together.
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
from api.resources.registry import recorded, table_of
from audit.trail.seen import SNAPSHOT, was_seen

ALERT_INTERVAL_SECONDS = 60
LOOKBACK = timedelta(days=1)  # older entries are ignored; if no worker runs for longer, some activity gets no alert
MAX_ENTRIES = 50_000  # for each kind of activity, the search examines at most this number of the newest entries


class Watched(NamedTuple):
    """Selects the audit trail entries of one kind of activity.

    `condition` must imply the condition of an index in `audit/migrations/0001_initial.py`. Otherwise PostgreSQL can't
    use the index.
    """

    condition: str  # SQL condition; `{nouns}` is replaced by the table names of all resources
    subject: str  # SQL expression; entries with different values are counted separately
    event: str  # name of the event to log, from the OWASP Logging Vocabulary

    @property
    def entries(self) -> str:
        nouns = ", ".join(f"'{table_of(viewset)}'" for viewset in recorded().values())
        return self.condition.replace("{nouns}", nouns)


WATCHED = {
    Alert.Kind.DELETIONS: Watched(
        "operation = 'delete' AND table_name <> 'accounts_tokensession'"
        " AND table_name IN ({nouns}, 'accounts_user', 'auth_group')",
        "''",
        "sensitive_delete",
    ),
    Alert.Kind.CHANGES: Watched(
        "operation = 'update' AND table_name <> 'accounts_tokensession' AND table_name IN ({nouns})",
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
    Alert.Kind.EXPORTS: Watched("operation = 'insert' AND table_name = 'accounts_export'", "''", "sensitive_read"),
}

# The query finds accounts with at least `threshold` audit trail entries within the duration `span`.
# Entries about different subjects (for example, two contracts) are counted separately.
# An alert's period begins `span` before the entry that reaches `threshold`, and ends `span` after that entry.
# The alert counts all entries of its period.
# Entries that follow an alert within `span` wait. Only when `span` is over, a later alert can report them.
# An account therefore causes at most one mail per `span`, and its later actions are reported, too.
#
# An alert has reported an entry if the entry is in the alert's period, and existed when the alert was found.
# The mark `Alert.seen` records which entries existed then.
# If an entry is committed only after an alert, a later alert reports this entry, even if its time is earlier.
_FIND = """
    WITH alert AS (
        SELECT * FROM accounts_alert WHERE kind = %(kind)s
    ), latest AS (
        SELECT DISTINCT ON (actor_id, subject) actor_id, subject, id, last_at, told_at FROM alert
         ORDER BY actor_id, subject, id DESC
    ), reported AS MATERIALIZED (  -- older alerts don't matter for the entries examined
        SELECT * FROM alert WHERE last_at > statement_timestamp() - %(lookback)s
    ), recent AS (
        SELECT id, transaction_id, at, actor_id, actor_name, {subject} AS subject FROM audit.entry
         WHERE {entries} AND at > statement_timestamp() - %(lookback)s ORDER BY at DESC LIMIT %(max_entries)s
    ), watched AS (
        SELECT recent.*, coalesce(latest.id, 0) AS previous
          FROM recent LEFT JOIN latest
            ON coalesce(latest.actor_id, 0) = coalesce(recent.actor_id, 0) AND latest.subject = recent.subject
         WHERE (latest.id IS NULL OR at > last_at + %(span)s OR told_at < statement_timestamp() - %(span)s)
           AND NOT EXISTS (
               SELECT FROM reported
                WHERE coalesce(reported.actor_id, 0) = coalesce(recent.actor_id, 0) AND reported.subject = recent.subject
                  AND recent.at BETWEEN first_at AND reported.last_at AND {was_seen})
    ), counted AS (
        SELECT *, count(*) OVER (PARTITION BY actor_id, subject ORDER BY at RANGE %(span)s PRECEDING) AS reached
          FROM watched
    ), first AS (
        SELECT DISTINCT ON (actor_id, subject) actor_id, subject, at FROM counted
         WHERE reached >= %(threshold)s ORDER BY actor_id, subject, at
    )
    SELECT watched.actor_id, max(actor_name), watched.subject, count(*), min(watched.at), max(watched.at), previous,
           {seen}
      FROM first JOIN watched
        ON coalesce(watched.actor_id, 0) = coalesce(first.actor_id, 0) AND watched.subject = first.subject
       AND watched.at BETWEEN first.at - %(span)s AND first.at + %(span)s
     GROUP BY watched.actor_id, watched.subject, previous
"""
# `now()` gives all alerts of one transaction the same time, because one mail lists all alerts with the same time.
_STORE = """
    INSERT INTO accounts_alert
           (kind, actor_id, actor_name, subject, count, first_at, last_at, previous_id, seen, told_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, now()) ON CONFLICT DO NOTHING RETURNING id
"""


def send_alerts() -> bool:
    """Stores new alerts, and queues one mail to each manager. Returns True if it stored an alert."""
    with acting_as(Role.MANAGEMENT):  # the role `management` may read the whole audit trail
        alerts = [alert for kind in WATCHED for alert in _found(kind)]
    if not alerts:
        return False
    with acting_as_login_role():  # only the login role (`eecrm_app`) may store alerts
        stored = [alert for alert in alerts if _is_stored(alert)]
        Mail.objects.bulk_create(
            Mail(kind=Mail.Kind.UNUSUAL_ACTIVITY, user=manager, alert=stored[-1])
            for manager in (_managers() if stored else ())
        )
    for alert in stored:  # logged after the commit, so that no log line is about an alert that was rolled back
        _log_alert(alert)
    return bool(stored)


def look() -> None:
    """Job of the worker that finds and stores alerts.

    Returns None, so that the worker waits for ALERT_INTERVAL_SECONDS even after an alert. A flood of actions therefore
    causes one mail per interval.
    """
    send_alerts()


def _found(kind: Alert.Kind) -> list[Alert]:
    """Searches the audit trail for one kind of unusual activity. Returns new alerts, and doesn't store them."""
    watched, (threshold, seconds) = WATCHED[kind], settings.ALERTS[kind.value]
    values: dict[str, Any] = {"kind": kind.value, "lookback": LOOKBACK, "max_entries": MAX_ENTRIES}
    with connection.cursor() as cursor:
        cursor.execute(
            _FIND.format(
                entries=watched.entries,
                subject=watched.subject,
                seen=SNAPSHOT,
                was_seen=was_seen("reported.seen", "recent"),
            ),
            values | {"threshold": threshold, "span": timedelta(seconds=seconds)},
        )
        names = ("actor_id", "actor_name", "subject", "count", "first_at", "last_at", "previous_id", "seen")
        return [Alert(kind=kind, **dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def _is_stored(alert: Alert) -> bool:
    """Stores the alert. Returns False if another worker has stored it meanwhile."""
    values = [alert.kind, alert.actor_id, alert.actor_name, alert.subject, alert.count, alert.first_at, alert.last_at]
    with connection.cursor() as cursor:
        cursor.execute(_STORE, [*values, alert.previous_id, alert.seen])
        row = cursor.fetchone()
    alert.pk = row[0] if row else None
    return row is not None


def _managers() -> list[User]:
    return list(User.objects.active().filter(Q(role=Role.MANAGEMENT) | Q(is_superuser=True)).order_by("pk"))


def _log_alert(alert: Alert) -> None:
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
