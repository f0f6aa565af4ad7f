"""A mark records which trail entries an alert or a mail has reported. The next alert or mail reports only the rest.

An entry becomes visible when its transaction commits, perhaps after entries with a later time or a higher id.
If the mark were a time, the next report would miss entries that a long transaction commits later.
So the mark is a PostgreSQL snapshot, and the id of the newest entry that the snapshot contains.
The id is needed because a database that was restored elsewhere uses the same transaction ids again.
"""

# SQL expression that makes the mark, as text. The mark contains all entries that are visible to the statement.
SNAPSHOT = "(SELECT pg_current_snapshot()::text || ' ' || coalesce(max(id), 0) FROM audit.entry)"


def was_visible(snapshot: str, newest: str, entry: str = "audit.entry") -> str:
    """Returns an SQL condition that is true if the entry was visible in a snapshot of earlier.

    `newest` is the id of the newest entry that the snapshot contains. The arguments are SQL expressions; `newest` and
    then twice `snapshot` are used, in this order.

    A transaction that begins after the snapshot writes only entries with ids above `newest`. So if such a transaction
    id comes with a lower entry id, the entry is from another cluster, whose dump was restored here.
    """
    return (
        f"({entry}.id <= {newest} AND (pg_visible_in_snapshot({entry}.transaction_id, {snapshot})"
        f" OR {entry}.transaction_id >= pg_snapshot_xmax({snapshot})))"
    )


def was_seen(seen: str, entry: str = "audit.entry") -> str:
    """Returns an SQL condition that is true if an alert or a mail has already reported the entry.

    `seen` is an SQL expression for the mark of this alert or mail.
    """
    return was_visible(f"split_part({seen}, ' ', 1)::pg_snapshot", f"split_part({seen}, ' ', 2)::bigint", entry)
