"""Words as people spell them, and how to speak about many."""

import unicodedata
from collections.abc import Iterator, Sequence

from django.template.defaultfilters import pluralize

from api.spelling import MOST_CHARS

MOST_EXAMPLES = 5
_MOST_NAMES = 40
_LONGEST = 60  # characters of somebody's text within a sentence of ours


def plain(text: str) -> str:
    """Letters and digits alone, without case and accents: `E-mail`, `e mail` and `Email` are one word."""
    if len(text) > MOST_CHARS:
        return text  # no word
    return "".join(letter for letter in unicodedata.normalize("NFKD", text.casefold()) if letter.isalnum())


def quoted(text: str) -> str:
    """Somebody's text in quotation marks, cut where it is long; nothing in it breaks the line."""
    return repr(text if len(text) <= _LONGEST else text[:_LONGEST] + "…")


def listed(names: Sequence[str]) -> str:
    more = [f"and {len(names) - _MOST_NAMES:,} more"] if len(names) > _MOST_NAMES else []
    return ", ".join([*map(quoted, names[:_MOST_NAMES]), *more]) or "none"


def counted(number: int, noun: str, plural: str = "") -> str:
    return f"{number:,} {plural if plural and number != 1 else noun + pluralize(number)}"


def examples(sentences: Sequence[str]) -> Iterator[str]:
    yield from (f"  {sentence}" for sentence in sentences[:MOST_EXAMPLES])
    if len(sentences) > MOST_EXAMPLES:
        yield f"  … and {len(sentences) - MOST_EXAMPLES:,} more."
