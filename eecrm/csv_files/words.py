"""Text helpers for import messages: quoted values, counts and lists."""

import unicodedata
from collections.abc import Iterator, Sequence

from django.template.defaultfilters import pluralize
from django.utils.formats import number_format
from django.utils.translation import gettext

MAX_EXAMPLES = 5
_MAX_NAMES = 40
# Longer texts aren't normalised. Normalisation sorts the accents of a letter one by one.
# For a letter with 130,000 accents the sorting would take seconds.
_MAX_WORD_CHARS = 1_000
_MAX_QUOTED_CHARS = 60  # maximum length of a user's text that a message quotes


def plain(text: str) -> str:
    """Reduces a text to letters and digits, in lower case and without accents: `E-mail` and `e mail` -> `email`."""
    if len(text) > _MAX_WORD_CHARS:
        return text
    return "".join(letter for letter in unicodedata.normalize("NFKD", text.casefold()) if letter.isalnum())


def quoted(text: str) -> str:
    """Returns the user's text in quotation marks, cut if it is long, with line breaks escaped."""
    return repr(text if len(text) <= _MAX_QUOTED_CHARS else text[:_MAX_QUOTED_CHARS] + "…")


def listed(names: Sequence[str]) -> str:
    more = len(names) - _MAX_NAMES
    rest = [gettext("and %(count)s more") % {"count": grouped(more)}] if more > 0 else []
    return ", ".join([*map(quoted, names[:_MAX_NAMES]), *rest]) or gettext("none")


def grouped(number: int) -> str:
    """Returns a number with the separators of the user's language: `1,234` in English."""
    return number_format(number, use_l10n=True, force_grouping=True)


def counted(number: int, noun: str, plural: str = "") -> str:
    return f"{grouped(number)} {plural if plural and number != 1 else noun + pluralize(number)}"


def examples(sentences: Sequence[str]) -> Iterator[str]:
    yield from (f"  {sentence}" for sentence in sentences[:MAX_EXAMPLES])
    if len(sentences) > MAX_EXAMPLES:
        yield gettext("  … and %(count)s more.") % {"count": grouped(len(sentences) - MAX_EXAMPLES)}
