"""Assignment of a file's columns to the fields of a client. A file needs only the required columns."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.utils.translation import gettext

from clients.importing.title_words import COUNTRY, FULL_NAME, Rank
from clients.importing.titles import Meaning, meaning_of
from csv_files import CannotImport
from csv_files.columns import Columns, only_one
from csv_files.words import listed, plain

REQUIRED = ("company_name", "first_name", "last_name", "email")
CLIENT_FIELDS = (*REQUIRED, "phone", "mobile", COUNTRY)
# If the field's best column is empty in a row, the next column counts: `Home Phone` after `Work Phone`.
# Names come from one column each, because parts of two names make a name of nobody.
_WITH_ALTERNATIVES = ("email", "phone", "mobile", COUNTRY)
_MAX_COLUMNS = 1_000  # titles of further columns aren't looked at, because a hostile row may have 500,000


@dataclass(frozen=True)
class ClientColumns(Columns):
    """Columns of a list of clients. With `full_name` in `positions` a whole name is split into first and last name."""

    is_last_name_first: bool = False  # order of the whole names: `Nom et prénom`
    bare_numbers: frozenset[int] = field(default_factory=frozenset)  # columns of international numbers without +

    def position(self, field: str, cells: list[str] | None = None) -> int:
        return super().position(field if field in self.positions else FULL_NAME, cells)


@dataclass
class _Recognition:
    """The meaning of each title of a header, and the positions that were given to fields."""

    header: list[str]
    chosen: dict[str, list[int]]
    meanings: dict[int, Meaning] = field(default_factory=dict)

    def __post_init__(self) -> None:
        taken = {position for positions in self.chosen.values() for position in positions}
        for position, title in enumerate(self.header[:_MAX_COLUMNS]):
            if position not in taken and (meaning := meaning_of(title)):
                self.meanings[position] = meaning

    def positions(self) -> dict[str, list[int]]:
        people = self._people()
        found = {name: self._ranked(name, people) for name in (*CLIENT_FIELDS, FULL_NAME)}
        self._decide_names(found)
        if not found["mobile"]:
            self._take_second_phone(found)
        found |= self.chosen
        unneeded = ("first_name", "last_name") if FULL_NAME in self.chosen else (FULL_NAME,)
        if found["first_name"] and found["last_name"]:
            found |= {name: [] for name in unneeded}
        return {name: positions for name, positions in found.items() if positions}

    def _people(self) -> frozenset[str]:
        """Returns the words of the titles of names that say who it is: `contact` in `Prénom du contact`."""
        for name in ("first_name", FULL_NAME):
            for meaning in self.meanings.values():
                if meaning.field == name:
                    return meaning.people
        return frozenset()

    def _ranked(self, name: str, people: frozenset[str]) -> list[int]:
        """Returns the columns of a field by priority: those of the same person first, then by rank and number."""

        def priority(position: int) -> tuple[bool, int, int, int]:
            meaning = self.meanings[position]
            return meaning.people != people, meaning.rank, meaning.number, position

        return sorted((place for place, meaning in self.meanings.items() if meaning.field == name), key=priority)

    def _decide_names(self, found: dict[str, list[int]]) -> None:
        """Decides what a column `Name` or `Nom` is: a last name beside first names, a company, or a whole name.

        Beside a `Prénom`, `Nom` is the last name. Beside `Nom du contact` and `Prénom du contact`, `Nom` is the
        company's. Otherwise it is a whole name.
        """
        names, people = found[FULL_NAME], self._people()
        if not found["first_name"]:
            return
        if names and not found["last_name"]:
            found["last_name"] = [names.pop(0)]
        if names and not found["company_name"]:
            others = [position for position in names if people and self.meanings[position].people != people]
            found["company_name"] = others[:1]

    def _take_second_phone(self, found: dict[str, list[int]]) -> None:
        """Takes `Phone 2` as the mobile number if no column is called mobile."""
        second = [position for position in found["phone"][1:] if self.meanings[position][1:3] == (Rank.PLAIN, 2)]
        if second:
            found["mobile"] = second[:1]
            found["phone"].remove(second[0])


def recognise_client_columns(header: list[str], chosen: Mapping[str, str]) -> ClientColumns:
    """Finds the columns of each field by their titles. `chosen` maps fields to titles that the user chose.

    Raises CannotImport if a required field has no column, if the file lacks a chosen title, or if two columns of a
    required field have the same title.
    """
    recognition = _Recognition(header, {name: [_position_of(title, header, name)] for name, title in chosen.items()})
    found = recognition.positions()
    missing = _missing(found)
    if missing:
        sentence = gettext(
            "No column was recognised for %(fields)s. The file has: %(titles)s."
            " Say which column it is, as in --column %(field)s='Its title'."
        )
        raise CannotImport(sentence % {"fields": ", ".join(missing), "titles": listed(header), "field": missing[0]})
    for name, positions in found.items():
        if name in (*REQUIRED, FULL_NAME) and name not in chosen:
            same = [position for position in positions if plain(header[position]) == plain(header[positions[0]])]
            only_one(same, header, name)
        if name not in _WITH_ALTERNATIVES:
            found[name] = positions[:1]
    meanings = recognition.meanings
    whole_name = meanings.get(found[FULL_NAME][0]) if FULL_NAME in found else None
    return ClientColumns(
        header,
        found,
        is_last_name_first=whole_name is not None and whole_name.is_last_name_first,
        bare_numbers=frozenset(position for position, meaning in meanings.items() if meaning.has_bare_numbers),
    )


def count_client_titles(cells: list[str], chosen: Mapping[str, str]) -> int:
    """Returns the number of required fields for which a row of a file has titles. The header has the most."""
    header = [cell.strip() for cell in cells]
    try:
        positions = {name: [_position_of(title, header, name)] for name, title in chosen.items()}
    except CannotImport:
        return 0
    return len(REQUIRED) - len(_missing(_Recognition(header, positions).positions()))


def _missing(found: Mapping[str, list[int]]) -> list[str]:
    split = ("first_name", "last_name") if FULL_NAME in found else ()
    return [name for name in REQUIRED if name not in found and name not in split]


def parse_choices(choices: list[str]) -> dict[str, str]:
    """Parses options, for example `["email=Courriel pro"]` -> `{"email": "Courriel pro"}`.

    Raises CannotImport if an option isn't FIELD=TITLE, or names an unknown field.
    """
    chosen: dict[str, str] = {}
    for choice in choices:
        name, equals, title = choice.partition("=")
        if not equals or name.strip() not in (*CLIENT_FIELDS, FULL_NAME):
            sentence = gettext("--column %(choice)s: write FIELD=TITLE, where FIELD is one of %(fields)s.")
            raise CannotImport(sentence % {"choice": choice, "fields": ", ".join((*CLIENT_FIELDS, FULL_NAME))})
        chosen[name.strip()] = title
    return chosen


def _position_of(title: str, header: list[str], name: str) -> int:
    exact = [position for position, cell in enumerate(header) if cell == title.strip()]
    positions = exact or [position for position, cell in enumerate(header) if plain(cell) == plain(title) != ""]
    if not positions:
        sentence = gettext("There is no column %(title)s for %(field)s. The file has: %(titles)s.")
        raise CannotImport(sentence % {"title": repr(title), "field": name, "titles": listed(header)})
    return only_one(positions, header, name)
