"""Hints for PostgreSQL's planner, which can't use its statistics under row security."""

from typing import TypeVar

from django.db.models import BooleanField, Expression, Func, Q, QuerySet

Rows = TypeVar("Rows", bound=QuerySet)


def hint_selective(rows: Rows, condition: Q | Expression, *, is_rare: bool = False) -> Rows:
    """Filters by `condition` twice, so that the planner expects fewer rows. The result is the same as with one filter.

    PostgreSQL can read a page in two ways. A scan in the list's order is fast if many rows meet the condition.
    An index on the condition, followed by a sort, is fast if few rows meet it.
    Without statistics the planner expects far too many rows and chooses the scan.
    Selectivities multiply, so the second filter makes the planner expect fewer rows and use the index.
    With `is_rare` it filters three times, because a condition with alternatives is expected to keep many more rows.
    If the planner has statistics and knows that, for example, every third row meets the condition, it still scans.
    """
    repeated = Func(condition, template="(%(expressions)s) IS TRUE", output_field=BooleanField())
    rows = rows.filter(condition).filter(repeated)
    if not is_rare:
        return rows
    return rows.filter(Func(condition, template="(%(expressions)s) IS NOT FALSE", output_field=BooleanField()))
