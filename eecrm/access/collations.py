"""Finds collations whose version on the server differs from the one that indexes were built with.

A new C library or ICU may order texts differently, for example after an upgrade of the operating system. An index that
was built before then misses rows, and a unique index accepts duplicates. PostgreSQL only logs a warning.
"""

from typing import Any

# A collation without a recorded version, such as C, doesn't change. `pg_attribute` also lists the columns of indexes.
_OUTDATED = """
    WITH used AS (
        SELECT 'The database ' || datname AS named, datcollversion AS recorded,
               pg_database_collation_actual_version(oid) AS present
          FROM pg_database WHERE datname = current_database()
         UNION ALL
        SELECT 'The collation ' || collname, collversion, pg_collation_actual_version(pg_collation.oid)
          FROM pg_collation
         WHERE pg_collation.oid IN (SELECT attcollation FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
                                     WHERE relnamespace NOT IN ('pg_catalog'::regnamespace, 'pg_toast'::regnamespace,
                                                                'information_schema'::regnamespace))
    )
    SELECT named || ' has indexes of version ' || recorded || ', and the server has ' || coalesce(present, 'none')
      FROM used WHERE recorded IS DISTINCT FROM present AND recorded IS NOT NULL ORDER BY named
"""


def outdated_collations(cursor: Any) -> list[str]:
    """Returns a sentence without its full stop for the database and each collation in use that has another version."""
    cursor.execute(_OUTDATED)
    return [sentence for (sentence,) in cursor.fetchall()]
