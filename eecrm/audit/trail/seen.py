"""Marks for the part of the trail that an alert or mail has covered, so that the next one covers the rest.

Entries appear in the order of commits, not of their ids or times.
With a time as the mark, entries that a longer transaction commits later would be missed.
So the mark is a PostgreSQL snapshot with the newest entry id in it.
The id is needed because a database that was restored elsewhere gives out the same transaction ids again.
"""

# SQL expression: the mark for all entries that the statement sees, as text.
SNAPSHOT = "(SELECT pg_current_snapshot()::text || ' ' || coalesce(max(id), 0) FROM audit.entry)"


def was_seen(seen: str, entry: str = "audit.entry") -> str:
    """SQL condition: the mark `seen` (an SQL expression) covers the entry."""
    return (
        f"({entry}.id <= split_part({seen}, ' ', 2)::bigint"
        f" AND pg_visible_in_snapshot({entry}.transaction_id, split_part({seen}, ' ', 1)::pg_snapshot))"
    )
