"""Word search and the order of names. Both use text that PostgreSQL folds (`api.folding`, docs/adr/0028).

Each word of a search text must be the beginning of a word of the row or of its parents.
"""

import re
import unicodedata
from functools import cache
from typing import Any, Self

from django.db import models
from django.db.models import BooleanField, F, Func, Model, QuerySet, Value

from api.email_addresses import normalise_address
from api.folding import MAX_ORDER_KEY_CHARS
from api.resources.planner_hints import hint_selective

# A telephone number counts as one word, although people write its digits in groups.
_PHONE = re.compile(r"[0-9](?:[\s()./-]*[0-9]){5,}")


class OrderKey(models.CharField):
    """Order key of the name in the field `name`. Triggers write it (`order_key`), and lists compare it byte by byte."""

    def __init__(self, name_field: str = "", **options: Any) -> None:
        self.name_field = name_field
        fixed = {"max_length": MAX_ORDER_KEY_CHARS, "db_collation": "C", "editable": False, "blank": True}
        super().__init__(**options | fixed)

    def deconstruct(self) -> Any:
        """Describes the field to migrations as a plain CharField, because the database column is an ordinary one."""
        name, _, arguments, options = super().deconstruct()
        return name, "django.db.models.CharField", arguments, options


@cache
def order_columns(model: type[Model]) -> dict[str, str]:
    """Maps the name of a field to the name of the field with its order key."""
    return {field.name_field: field.name for field in model._meta.fields if isinstance(field, OrderKey)}


def with_addresses_normalised(text: str) -> str:
    """Replaces each email address in a search text by its stored form, because rows contain only stored forms."""
    pairs = ((word, normalise_address(word)) for word in text.split())
    return " ".join(address if "@" in address else word for word, address in pairs)


def count_words(text: str) -> int:
    """Returns the number of words in a search text. A word is a run of letters and digits with their marks."""
    letters = (sign if unicodedata.category(sign)[0] in "LMN" else " " for sign in _PHONE.sub("0", text))
    return len("".join(letters).split())


def search_condition(function: str, *arguments: Any) -> Any:
    """Returns the condition that the column `search` matches the query that this SQL function makes."""
    query = Func(*map(Value, arguments), function=function)
    return Func(F("search"), query, template="%(expressions)s", arg_joiner=" @@ ", output_field=BooleanField())


class SearchableQuerySet(QuerySet[Any]):
    """Queryset with word search. The column `search` contains the words of a row and of its parents."""

    def matching(self, text: str, *, is_masked: bool = False) -> Self:
        """Returns rows in which each word of the search text is the beginning of some word.

        With `is_masked`, words of personal data don't count.
        """
        asked = with_addresses_normalised(text.replace("\0", " "))
        # PostgreSQL assumes that one row in 200 matches. So it would scan the list in order until a page is full.
        # Such a scan is slow if few rows match. This hint makes PostgreSQL use the search index.
        return hint_selective(self, search_condition("search_query", asked, is_masked), is_rare=True)
