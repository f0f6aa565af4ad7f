"""Word search in PostgreSQL: each word of the search text must be the beginning of a word of the row or its parents."""

import re
from typing import Any, Self

from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db.models import Expression, F, Func, Q, QuerySet, Value

from access.search_bounds import MAX_SEARCH_WORDS
from api.email_addresses import normalise_address
from api.resources.planner_hints import hint_selective

SEPARATORS = "@._-+/&'’,;:()\""


def SearchDocument(*fields: str, weight: str) -> Expression:  # noqa: N802  # named like the expression that it returns
    """Returns the PostgreSQL search vector of these fields.

    Words aren't stemmed, because they may be of any language.
    """
    words = [Func(F(name), Value(SEPARATORS), Value(" " * len(SEPARATORS)), function="translate") for name in fields]
    return SearchVector(*words, config="simple", weight=weight)


def with_addresses_normalised(text: str) -> str:
    """Replaces each email address in a search text by its stored form, because rows contain only stored forms."""
    pairs = ((word, normalise_address(word)) for word in text.split())
    return " ".join(address if "@" in address else word for word, address in pairs)


class SearchableQuerySet(QuerySet[Any]):
    """Queryset with word search. The column `search` contains the words of a row and of its parents."""

    def matching(self, text: str, *, weights: str = "") -> Self:
        """Returns rows in which each word of the search text is the beginning of some word.

        `weights` limits the search to words with these weights. If `weights` is empty, all words count.
        """
        words = re.findall(r"[^\W_]+", with_addresses_normalised(text))[:MAX_SEARCH_WORDS]
        if not words:
            return self.none()
        query = SearchQuery(" & ".join(f"{word}:*{weights}" for word in words), config="simple", search_type="raw")
        # PostgreSQL assumes that one row in 200 matches. So it would scan the list in order until a page is full.
        # Such a scan is slow if few rows match. This hint makes PostgreSQL use the search index.
        return hint_selective(self, Q(search=query))
