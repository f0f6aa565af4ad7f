"""Word search in PostgreSQL: every word of the query begins a word of the row (or of its parents)."""

import re
from typing import Any, Self

from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db.models import Expression, F, Func, Q, QuerySet, Value

from api.email_addresses import normalise_address
from api.resources.planner_hints import hint_selective

MAX_WORDS, MAX_SEARCH_CHARS = 8, 200  # words that count, characters that are taken
SEPARATORS = "@._-+/&'’,;:()\""


def SearchDocument(*fields: str, weight: str) -> Expression:  # noqa: N802  # reads as the expression it makes
    """The searchable words of these fields, in any language: no stemming, punctuation separates."""
    words = [Func(F(name), Value(SEPARATORS), Value(" " * len(SEPARATORS)), function="translate") for name in fields]
    return SearchVector(*words, config="simple", weight=weight)


def with_addresses_normalised(text: str) -> str:
    """The words of a search, with each email address among them as it is stored."""
    pairs = ((word, normalise_address(word)) for word in text.split())
    return " ".join(address if "@" in address else word for word, address in pairs)


class SearchableQuerySet(QuerySet[Any]):
    """A queryset with `matching`. The rows' column `search` holds their own words and those of their parents."""

    def matching(self, text: str, *, weights: str = "") -> Self:
        """The rows that have each word, or one that begins so. `weights` are those of the words that count; if empty, all do."""
        words = re.findall(r"[^\W_]+", with_addresses_normalised(text))[:MAX_WORDS]
        if not words:
            return self.none()
        query = SearchQuery(" & ".join(f"{word}:*{weights}" for word in words), config="simple", search_type="raw")
        # A word without figures PostgreSQL takes for one in 200 rows, and would look for it from row to row.
        return hint_selective(self, Q(search=query))
