"""Word search in PostgreSQL: every word of the query begins a word of the row (or of its parents)."""

import re
from functools import reduce
from typing import Any, ClassVar, Self

from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db.models import Expression, F, Func, QuerySet, Value

MAX_WORDS, LONGEST = 8, 200  # words that count, characters that are taken
_SEPARATORS = "@._-+/&'’,;:()\""


def SearchDocument(*fields: str, weight: str) -> Expression:  # noqa: N802  # reads as the expression it makes
    """The searchable words of these fields, in any language: no stemming, punctuation separates."""
    words = [Func(F(name), Value(_SEPARATORS), Value(" " * len(_SEPARATORS)), function="translate") for name in fields]
    return SearchVector(*words, config="simple", weight=weight)


class SearchableQuerySet(QuerySet[Any]):
    """A queryset with `matching`. `search_paths` leads to the documents: its own, and those of its parents."""

    search_paths: ClassVar[tuple[str, ...]] = ("search",)

    def matching(self, text: str, *, weights: str = "AB") -> Self:
        words = re.findall(r"[^\W_]+", text)[:MAX_WORDS]
        if not words:
            return self.none()
        return reduce(lambda rows, word: rows._with_word(word, weights), words, self)

    def _with_word(self, word: str, weights: str) -> Self:
        query = SearchQuery(f"{word}:*{weights}", config="simple", search_type="raw")
        own, *parents = (self.model._default_manager.filter(**{path: query}).values("pk") for path in self.search_paths)
        # A union of index scans; an OR over joined tables would read them whole.
        return self.filter(search=query) if not parents else self.filter(pk__in=own.union(*parents))
