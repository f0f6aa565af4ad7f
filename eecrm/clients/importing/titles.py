"""Recognises the title of a column, in English and French: `Work Phone`, `Tél. (bureau)`, `Person - Email - Work`.

A title is read as words. One word names the field, and each other word must be one that may stand beside it. So
`Email Type`, `Company Owner` and `Phonetic First Name` are no titles of a field here.
"""

import re
import unicodedata
from collections.abc import Set
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

# The field of a person's whole name, which the import splits into `first_name` and `last_name`.
FULL_NAME = "full_name"
COUNTRY = "country"

_MAX_TITLE_CHARS = 200  # longer cells are no titles
_MIN_PART_CHARS = 2  # of a word within a compound such as `workphone`


class Rank(IntEnum):
    """Priority among the columns of one field. The lowest rank is the best."""

    WORK = 0
    PLAIN = 1
    COMPANY = 2
    HOME = 3
    OTHER = 4


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


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_EMAIL = _words("email emails mail mails courriel courriels mel messagerie")
_ELECTRONIC = _words("adresse adresses courrier courriers")  # an address if `électronique` stands beside
_PHONE = _words("phone phones telephone telephones tel tels landline fixe")
_BARE_MOBILE = _words("sms whatsapp")  # Brevo's columns, with numbers such as 33612345678
_MOBILE = (
    _words("mobile mobiles cell cellphone cellular cellulaire gsm portable portables smartphone iphone") | _BARE_MOBILE
)
_COUNTRY = _words("country countries pays cc")
_COMPANY = _words(
    "company companies organization organisation organizations organisations organisme societe entreprise"
)
_COMPANY |= _words(
    "account accounts compte comptes business firm employer employeur etablissement association structure"
)
_COMPANY |= _words("enseigne denomination")
_FIRST = _words("first given forename forenames prenom prenoms")
_LAST = _words("last family surname surnames famille patronyme")
_NAMES_ALONE = _words("forename forenames prenom prenoms surname surnames patronyme")  # need no `name` beside them
_NAME = _words("name names nom noms")
_FULL = _words("full complet complete display")

_PEOPLE = _words("person personne people contact contacts lead prospect attendee participant member membre customer")
_PEOPLE |= _words("client subscriber abonne guest invite buyer acheteur interlocuteur correspondant piste")
_CUSTOMER = _words("customer client tiers intitule")
_RANKS = {
    Rank.WORK: _words(
        "work business office bureau pro professional professionnel professionnelle travail direct directe"
    ),
    Rank.COMPANY: _COMPANY | _words("standard siege headquarters hq switchboard corporate"),
    Rank.HOME: _words("home domicile maison personal personnel personnelle perso private prive privee"),
    Rank.OTHER: _words(
        "other autre autres secondary secondaire second seconde deuxieme alternate alternative alt additional supplementaire billing"
        " facturation invoice shipping livraison mailing postal correspondance etranger"
    ),
}
_PLACES = frozenset[str]().union(*_RANKS.values()) | _words(
    "primary principal principale main default defaut preferred"
)
_SMALL = _words(
    "the of de du des la le les l d s a un en for pour or ou value values valeur text your votre properties"
)
_NUMBERED = _words("number numbers numero numeros num no n nr nbr ligne line")

# Words that may stand beside the word that names the field.
_BESIDE = {
    "email": _PEOPLE | _PLACES | _SMALL | _words("address addresses adresse adresses id electronique courrier courriers"),
    "phone": _PEOPLE | _PLACES | _SMALL | _NUMBERED | _words("raw formatted"),
    COUNTRY: _PEOPLE | _PLACES | _SMALL | _words("address adresse code iso alpha region state etat name nom id residence"),
    "company_name": _NAME | _SMALL | _words(
        "raison sociale sociales contact person lead work primary principal principale main current actuel actuelle"
        " associated associe associee related lie liee legal commercial commerciale trading client customer"
    ),
    "first_name": _NAME | _PEOPLE | _SMALL | _words("primary principal usuel"),
    "last_name": _NAME | _PEOPLE | _SMALL | _words("primary principal"),
    FULL_NAME: _NAME | _PEOPLE | _SMALL | _FULL | _words("primary principal personal"),
}  # fmt: skip
_VOCABULARY = frozenset[str]().union(
    *_BESIDE.values(), _EMAIL, _PHONE, _MOBILE, _COUNTRY, _COMPANY, _FIRST, _LAST, _CUSTOMER, _words("usage and et")
)


@dataclass(frozen=True)
class _Title:
    words: list[str]
    number: int

    def has(self, words: Set[str]) -> bool:
        return not words.isdisjoint(self.words)

    def consists_of(self, *words: Set[str]) -> bool:
        return frozenset(self.words) <= frozenset[str]().union(*words)

    def meaning(self, field: str, **details: bool) -> Meaning:
        people = frozenset(self.words) & _PEOPLE
        return Meaning(field, self._rank(), self.number, people, **details)

    def _rank(self) -> Rank:
        return next((rank for rank, words in _RANKS.items() if self.has(words)), Rank.PLAIN)


@lru_cache(maxsize=10_000)
def meaning_of(text: str) -> Meaning | None:
    """Returns the field that a column's title names; None if it names no field of a client."""
    title = _read(text)
    if title is None:
        return None
    words = set(title.words)
    is_address = title.has(_EMAIL) or ({"electronique"} < words and title.has(_ELECTRONIC))
    if is_address and title.consists_of(_EMAIL, _BESIDE["email"]):
        return title.meaning("email")
    if title.has(_MOBILE) and title.consists_of(_MOBILE, _PHONE, _BESIDE["phone"]):
        return title.meaning("mobile", has_bare_numbers=title.has(_BARE_MOBILE))
    if title.has(_PHONE) and title.consists_of(_PHONE, _BESIDE["phone"]):
        return title.meaning("phone")
    if title.has(_COUNTRY) and title.consists_of(_COUNTRY, _BESIDE[COUNTRY]):
        return title.meaning(COUNTRY)
    return _name_meaning(title) or _company_meaning(title)


def _name_meaning(title: _Title) -> Meaning | None:
    """Meaning of a title of a name. `Nom` alone may be a last name or a whole name: it is a FULL_NAME here."""
    is_name = len(title.words) == 1 or title.has(_NAMES_ALONE | _NAME)  # `First contact` and `Last contact` are dates
    is_first, is_last = title.has(_FIRST), title.has(_LAST)
    if is_first and (is_last or {"nom", "noms"} & set(title.words)) and title.consists_of(
        _FIRST, _LAST, _BESIDE[FULL_NAME], _words("and et")
    ):  # fmt: skip
        first = min(title.words.index(word) for word in _FIRST & set(title.words))
        last = min(title.words.index(word) for word in (_LAST | {"nom", "noms"}) & set(title.words))
        return title.meaning(FULL_NAME, is_last_name_first=last < first)
    if is_first and is_name and title.consists_of(_FIRST, _BESIDE["first_name"]):
        return title.meaning("first_name")
    if is_last and is_name and title.consists_of(_LAST, _BESIDE["last_name"]):
        return title.meaning("last_name")
    if title.has(_NAME) and title.has({"usage"}) and title.consists_of(_NAME, {"usage"}, _SMALL):
        return title.meaning("last_name")
    if title.has(_NAME | {"contact", "interlocuteur"}) and title.consists_of(_BESIDE[FULL_NAME]):
        return title.meaning(FULL_NAME)
    return None


def _company_meaning(title: _Title) -> Meaning | None:
    words = set(title.words)
    if title.has(_COMPANY) or {"raison", "sociale"} <= words or {"nom", "commercial"} <= words:
        if title.consists_of(_COMPANY, _BESIDE["company_name"]):
            rank = Rank.OTHER if title.words in (["account"], ["business"]) else Rank.PLAIN
            return Meaning("company_name", rank, title.number)
    if title.consists_of(_CUSTOMER):
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
        known = [part] if part in _VOCABULARY else _split(part)
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
        if compound[:end] in _VOCABULARY
        and (rest := [compound[end:]] if compound[end:] in _VOCABULARY else _split(compound[end:]))
    ]
    return min(splits, key=len, default=[])
