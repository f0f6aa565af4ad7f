"""Bounds of a search text, in the API and in the admin site."""

MAX_SEARCH_WORDS = 8  # further words are ignored
MAX_SEARCH_CHARS = 200  # a longer text is refused
