"""What PostgreSQL's planner can't know of itself."""

from typing import TypeVar

from django.db.models import BooleanField, Func, Q, QuerySet

Rows = TypeVar("Rows", bound=QuerySet)


def hint_selective(rows: Rows, condition: Q) -> Rows:
    """The rows that meet the condition, of which PostgreSQL shall expect fewer.

    A page of a list is either looked for from row to row, in the list's order, or all that meets the condition is taken from an index
    and sorted. The one is quick for what is common and the other for what is rare; which it is the planner tells from its figures.
    Where it has none it guesses far too many. What is said twice, it takes for twice as rare: what it knows to be in every third
    row stays common.
    """
    again = Func(condition, template="(%(expressions)s) IS TRUE", output_field=BooleanField())
    return rows.filter(condition).filter(again)
