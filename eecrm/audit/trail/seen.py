"""What of the trail somebody has seen, so that later they are told the rest.

Entries appear in the order of commits, not of their ids or times: who remembers a time misses what a longer transaction wrote
before it. So it is the snapshot that is remembered, with the newest entry in it, for a database that was restored elsewhere
gives the numbers of transactions out again.
"""

# What is visible to this statement, as text, in SQL.
SNAPSHOT = "(SELECT pg_current_snapshot()::text || ' ' || coalesce(max(id), 0) FROM audit.entry)"


def was_seen(seen: str, entry: str = "audit.entry") -> str:
    """Whether an entry is in what such a text stands for, in SQL."""
    return (
        f"({entry}.id <= split_part({seen}, ' ', 2)::bigint"
        f" AND pg_visible_in_snapshot({entry}.transaction_id, split_part({seen}, ' ', 1)::pg_snapshot))"
    )
