"""Word search on the admin site, with the words and the index of the API's search."""

from typing import Any

from django.http import HttpRequest

from access.admin import PolicyModelAdmin, first_words
from access.policy import Scope
from access.request_rules import rule_for


class WordSearch(PolicyModelAdmin):
    """Model admin of a resource with word search. Its queryset is a `SearchableQuerySet`."""

    search_fields = ["search"]

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        words = first_words(search_term)
        if not words.strip():
            return queryset, False
        is_masked = rule_for(request, "personal_data", "retrieve").scope is Scope.NONE
        return queryset.matching(words, is_masked=is_masked), False
