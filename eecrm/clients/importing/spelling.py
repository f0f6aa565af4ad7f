"""Words as people spell them."""

import unicodedata


def plain(text: str) -> str:
    """Letters and digits alone, without case and accents: `E-mail`, `e mail` and `Email` are one word."""
    return "".join(letter for letter in unicodedata.normalize("NFKD", text.casefold()) if letter.isalnum())


def listed(names: list[str]) -> str:
    return ", ".join(map(repr, names)) or "none"
