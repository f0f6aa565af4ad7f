"""Limits for the text of a search, in the API and in the admin site."""

MAX_SEARCH_WORDS = 8  # a search for more words is refused
MAX_SEARCH_CHARS = 200  # a longer search text is refused
