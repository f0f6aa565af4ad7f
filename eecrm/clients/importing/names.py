"""Splits a person's whole name into first name and last name.

Libraries for this were not used: nameparser takes first names such as `Major` and `Prince` for titles and drops them.
"""

import re

_COURTESY_TITLE = re.compile(
    r"^(?:(?:m|mr|mrs|ms|miss|mx|mme|mlle|me|dr|pr|prof|herr|frau|monsieur|madame|mademoiselle)\b\.?\s+)+",
    re.IGNORECASE,
)
# Small words with which a last name begins: `Inès de la Tour`.
_PARTICLES = frozenset(
    "al ben bin da de del della den der des di do dos du el ibn la le les ten ter van von zu".split()
)


def split_name(name: str, *, is_last_name_first: bool = False) -> tuple[str, str]:
    """Returns the first name and the last name of a person. One of them is empty if the name is a single word.

    The last name is before a comma (`Garnier, Inès`), or is in capitals (`GARNIER Inès`), or begins with a small word
    (`Inès de la Tour`), or is the last word. With `is_last_name_first` it is the first word instead.
    """
    name = _COURTESY_TITLE.sub("", " ".join(name.split()))
    last, comma, first = name.partition(",")
    if comma and first.strip() and last.strip():
        return first.strip(), last.strip()
    words = name.split()
    capitals = [_is_in_capitals(word) for word in words]
    if any(capitals) and not all(capitals):
        return (
            " ".join(word for word, is_capital in zip(words, capitals, strict=True) if not is_capital),
            " ".join(word for word, is_capital in zip(words, capitals, strict=True) if is_capital),
        )
    if is_last_name_first:
        return " ".join(words[1:]), " ".join(words[:1])
    small = (place for place, word in enumerate(words[:-1]) if place and word in _PARTICLES)
    place = next(small, len(words) - 1)
    return " ".join(words[:place]), " ".join(words[place:])


def _is_in_capitals(word: str) -> bool:
    return len(word) > 1 and word.isupper() and not word.endswith(".")
