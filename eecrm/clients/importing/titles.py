"""Recognises the title of a column, in English and French: `Work Phone`, `Tél. (bureau)`, `Person - Email - Work`.

A title is read as words. One word names the field, and each other word must be one that may stand beside it. So
`Email Type`, `Company Owner` and `Phonetic First Name` are no titles of a field here.
"""

import re
import unicodedata
from collections.abc import Set
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from clients.importing.title_words import (
    BARE_MOBILE,
    BESIDE,
    COMPANY,
    COUNTRY,
    COUNTRY_WORDS,
    CUSTOMER,
    ELECTRONIC,
    EMAIL_WORDS,
    FIRST,
    FULL_NAME,
    LAST,
    MOBILE,
    NAME,
    NAMES_ALONE,
    PEOPLE,
    PHONE_WORDS,
    RANKS,
    SMALL,
    VOCABULARY,
    Rank,
)

_MAX_TITLE_CHARS = 200  # longer cells are no titles
_MIN_PART_CHARS = 2  # of a word within a compound such as `workphone`


class Meaning(NamedTuple):
    """Field that a title names, with its priority among the titles of this field.

    `people` are the words that say whose value it is: `contact` in `Nom du contact`.
    """

    field: str
    rank: Rank = Rank.PLAIN
    number: int = 1  # 2 in `Phone 2`
    people: frozenset[str] = frozenset()
    is_last_name_first: bool = False  # True for `Nom et prénom`
    has_bare_numbers: bool = False  # True for `SMS`, a column of international numbers that lack the +


@dataclass(frozen=True)
class _Title:
    words: list[str]
    number: int

    def has(self, words: Set[str]) -> bool:
        return not words.isdisjoint(self.words)

    def consists_of(self, *words: Set[str]) -> bool:
        return frozenset(self.words) <= frozenset[str]().union(*words)

    def meaning(self, field: str, **details: bool) -> Meaning:
        people = frozenset(self.words) & PEOPLE
        return Meaning(field, self._rank(), self.number, people, **details)

    def _rank(self) -> Rank:
        return next((rank for rank, words in RANKS.items() if self.has(words)), Rank.PLAIN)


@lru_cache(maxsize=10_000)
def meaning_of(text: str) -> Meaning | None:
    """Returns the field that a column's title names; None if it names no field of a client."""
    title = _read(text)
    if title is None:
        return None
    is_address = title.has(EMAIL_WORDS) or ("electronique" in title.words and title.has(ELECTRONIC))
    if is_address and title.consists_of(EMAIL_WORDS, BESIDE["email"]):
        return title.meaning("email")
    if title.has(MOBILE) and title.consists_of(MOBILE, PHONE_WORDS, BESIDE["phone"]):
        return title.meaning("mobile", has_bare_numbers=title.has(BARE_MOBILE))
    if title.has(PHONE_WORDS) and title.consists_of(PHONE_WORDS, BESIDE["phone"]):
        return title.meaning("phone")
    if title.has(COUNTRY_WORDS) and title.consists_of(COUNTRY_WORDS, BESIDE[COUNTRY]):
        return title.meaning(COUNTRY)
    return _name_meaning(title) or _company_meaning(title)


def _name_meaning(title: _Title) -> Meaning | None:
    """Meaning of a title of a name. `Nom` alone may be a last name or a whole name: it is a FULL_NAME here."""
    # `First contact` and `Last contact` are dates, and `Famille` groups products.
    is_name = title.words in (["first"], ["last"]) or title.has(NAMES_ALONE | NAME)
    is_first, is_last = title.has(FIRST), title.has(LAST)
    if is_first and (is_last or {"nom", "noms"} & set(title.words)) and title.consists_of(
        FIRST, LAST, BESIDE[FULL_NAME], {"and", "et"}
    ):  # fmt: skip
        first = min(title.words.index(word) for word in FIRST & set(title.words))
        last = min(title.words.index(word) for word in (LAST | {"nom", "noms"}) & set(title.words))
        return title.meaning(FULL_NAME, is_last_name_first=last < first)
    if is_first and is_name and title.consists_of(FIRST, BESIDE["first_name"]):
        return title.meaning("first_name")
    if is_last and is_name and title.consists_of(LAST, BESIDE["last_name"]):
        return title.meaning("last_name")
    if title.has(NAME) and title.has({"usage"}) and title.consists_of(NAME, {"usage"}, SMALL):
        return title.meaning("last_name")
    if title.has(NAME | {"contact", "interlocuteur"}) and title.consists_of(BESIDE[FULL_NAME]):
        return title.meaning(FULL_NAME)
    return None


def _company_meaning(title: _Title) -> Meaning | None:
    words = set(title.words)
    if title.has(COMPANY) or {"raison", "sociale"} <= words or {"nom", "commercial"} <= words:
        if title.consists_of(COMPANY, BESIDE["company_name"]):
            rank = Rank.OTHER if title.words in (["account"], ["business"]) else Rank.PLAIN
            return Meaning("company_name", rank, title.number)
    if title.consists_of(CUSTOMER):
        return Meaning("company_name", Rank.OTHER, title.number)
    return None


def _read(text: str) -> _Title | None:
    """Splits a title into known words and its first number; None if a word is unknown.

    Capitals within a word begin a new word (`FirstName`). A compound in small letters is split into known words
    (`firstname`).
    """
    if len(text) > _MAX_TITLE_CHARS:
        return None
    parted = re.sub(r"(?<=[^\W\d_A-Z])(?=[A-Z])", " ", text)
    folded = "".join(
        char for char in unicodedata.normalize("NFKD", parted).casefold() if not unicodedata.combining(char)
    )
    parts = re.findall(r"[^\W\d_]+|[0-9]+", folded)
    numbers = [int(part[:9]) for part in parts if part.isdecimal()]
    words: list[str] = []
    for part in _joined([part for part in parts if not part.isdecimal()]):
        known = [part] if part in VOCABULARY else _split(part)
        if not known:
            return None
        words += known
    return _Title(words, numbers[0] if numbers else 1) if words else None


def _joined(parts: list[str]) -> list[str]:
    """Joins `e` and `mail`, and `i` and `phone`, which hyphens and capitals have parted."""
    text = " ".join(parts)
    return re.sub(r"\b(e (?=mails?\b)|i (?=phone\b))", lambda match: match[0][0], text).split()


@lru_cache(maxsize=10_000)
def _split(compound: str) -> list[str]:
    """Splits a compound into the fewest known words, for example `workphone` -> `work`, `phone`; [] if it has none."""
    splits = [
        [compound[:end], *rest]
        for end in range(_MIN_PART_CHARS, len(compound) - _MIN_PART_CHARS + 1)
        if compound[:end] in VOCABULARY
        and (rest := [compound[end:]] if compound[end:] in VOCABULARY else _split(compound[end:]))
    ]
    return min(splits, key=len, default=[])
