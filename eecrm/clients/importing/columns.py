"""Assignment of a file's columns to the fields of a client. A file needs only the required columns."""

from collections.abc import Mapping

from csv_files import CannotImport
from csv_files.columns import Columns, only_one
from csv_files.words import listed, plain

REQUIRED = ("company_name", "first_name", "last_name", "email")
COUNTRY = "country"

# English and French column titles of each field, normalised by `plain`.
# If a file has two titles of one field, the import uses the title that stands first in this list.
_KNOWN_TITLES: dict[str, tuple[str, ...]] = {
    "company_name": (
        "companyname", "company", "organisation", "organization", "organisationname", "organizationname", "business",
        "businessname", "accountname", "raisonsociale", "societe", "nomdelasociete", "entreprise", "nomdelentreprise",
        "organisme",
    ),
    "first_name": ("firstname", "givenname", "forename", "prenom"),
    "last_name": ("lastname", "surname", "familyname", "nomdefamille", "nom"),
    "email": (
        "email", "emailaddress", "mail", "mailaddress", "courriel", "adresseemail", "adressemail", "adressecourriel",
        "adresseelectronique",
    ),
    "phone": (
        "phone", "phone1", "phonenumber", "telephone", "telephone1", "telephonenumber", "tel", "tel1", "landline",
        "workphone", "businessphone", "fixe", "telephonefixe", "telfixe", "numerodetelephone", "ndetelephone",
    ),
    "mobile": (
        "mobile", "mobilephone", "mobilenumber", "cell", "cellphone", "phone2", "telephone2", "tel2", "portable",
        "telephoneportable", "telportable", "telephonemobile", "telmobile", "gsm",
    ),
    COUNTRY: ("country", "countryname", "countrycode", "pays", "codepays"),
}  # fmt: skip
CLIENT_FIELDS = tuple(_KNOWN_TITLES)


def recognise_client_columns(header: list[str], chosen: Mapping[str, str]) -> Columns:
    """Finds the column of each field by the column's title. `chosen` maps fields to titles that the user chose.

    Raises CannotImport if a required field has no column, if the file lacks a chosen title, or if two columns have the
    same title, which is that of a field.
    """
    positions = {field: _position_of(title, header, field) for field, title in chosen.items()}
    for field in CLIENT_FIELDS:
        if field in positions:
            continue
        position = _first_known(field, header, taken=set(positions.values()))
        if position is not None:
            positions[field] = position
    missing = [field for field in REQUIRED if field not in positions]
    if missing:
        raise CannotImport(
            f"No column was recognised for {', '.join(missing)}. The file has: {listed(header)}."
            f" Say which column it is, as in --column {missing[0]}='Its title'."
        )
    return Columns(header, positions)


def parse_choices(choices: list[str]) -> dict[str, str]:
    """Parses options, for example `["email=Courriel pro"]` -> `{"email": "Courriel pro"}`.

    Raises CannotImport if an option isn't FIELD=TITLE, or names an unknown field.
    """
    chosen: dict[str, str] = {}
    for choice in choices:
        field, equals, title = choice.partition("=")
        if not equals or field.strip() not in CLIENT_FIELDS:
            raise CannotImport(
                f"--column {choice}: write FIELD=TITLE, where FIELD is one of {', '.join(CLIENT_FIELDS)}."
            )
        chosen[field.strip()] = title
    return chosen


def _position_of(title: str, header: list[str], field: str) -> int:
    exact = [position for position, name in enumerate(header) if name == title.strip()]
    positions = exact or [position for position, name in enumerate(header) if plain(name) == plain(title) != ""]
    if not positions:
        raise CannotImport(f"There is no column {title!r} for {field}. The file has: {listed(header)}.")
    return only_one(positions, header, field)


def _first_known(field: str, header: list[str], *, taken: set[int]) -> int | None:
    names = [plain(title) for title in header]
    for word in _KNOWN_TITLES[field]:
        positions = [position for position, name in enumerate(names) if name == word and position not in taken]
        if positions:
            return only_one(positions, header, field)
    return None
