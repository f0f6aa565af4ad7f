"""Checks the rows of a CSV file. A valid row becomes a prospect. Each problem is reported with its line and column."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from phonenumber_field.phonenumber import PhoneNumber

from api.phone_numbers import UnreadablePhone, read_phone
from clients.importing.cells import ClientRow, read_row
from clients.importing.columns import ClientColumns
from clients.importing.title_words import COUNTRY, FULL_NAME
from clients.models import Client
from csv_files.problems import Problem, malformed
from csv_files.reading import Record
from csv_files.words import quoted

_NAME_FIELDS = ("company_name", "first_name", "last_name", "email")
_PHONES = ("phone", "mobile")
# The check of a row skips these fields: the sales contact, and fields that no file contains.
# The sales contact is the same for all rows, and is checked once.
_NOT_CHECKED = {known.name for known in Client._meta.fields} - {*_NAME_FIELDS, *_PHONES}


@dataclass(frozen=True)
class Candidate:
    """A valid row of the file. `left_out` has a problem for each unreadable phone number, which the import drops.

    `several` has each cell of which only the first value is used. `split_name` is the whole name that
    was split.
    """

    line: int
    client: Client
    left_out: tuple[Problem, ...] = ()
    extensions: int = 0
    several: tuple[Problem, ...] = ()
    split_name: str = ""

    @property
    def key(self) -> str:
        """The key for finding duplicates: the client's email address in lower case (as in `client_email_unique`)."""
        return self.client.email.lower()


@dataclass
class Checker:
    """Checks the rows of a file with the validation of the model `Client`, and collects all problems."""

    columns: ClientColumns
    sales_contact_id: int
    country: str = ""
    is_lenient: bool = False
    problems: list[Problem] = field(default_factory=list)

    def check(self, record: Record) -> Candidate | None:
        if malformations := list(malformed(record, self.columns)):
            self.problems += malformations
            return None
        row = read_row(self.columns, record.cells, self.country)
        phones, unreadable = self._phones(record, row)
        client = Client(
            sales_contact_id=self.sales_contact_id, **{name: row.values[name] for name in _NAME_FIELDS}, **phones
        )
        problems = [*self._invalid(record, row, client), *([] if self.is_lenient else unreadable)]
        if problems:
            self.problems += problems
            return None
        return Candidate(
            record.line,
            client,
            left_out=tuple(unreadable),
            extensions=sum(bool(number.extension) for number in phones.values()),
            several=tuple(self._problem(record, name, quoted(row.values[name])) for name in row.several),
            split_name=row.values.get(FULL_NAME, ""),
        )

    def _phones(self, record: Record, row: ClientRow) -> tuple[dict[str, PhoneNumber], list[Problem]]:
        phones: dict[str, PhoneNumber] = {}
        unreadable: list[Problem] = []
        for name in _PHONES:
            try:
                if text := row.values.get(name):
                    phones[name] = read_phone(text, row.region, country=row.values[COUNTRY])
            except UnreadablePhone as error:
                # A traceback would keep the frames of each row in memory.
                unreadable.append(self._problem(record, name, error.with_traceback(None)))
        return phones, unreadable

    def _invalid(self, record: Record, row: ClientRow, client: Client) -> Iterator[Problem]:
        try:
            client.clean_fields(exclude=_NOT_CHECKED)
        except ValidationError as error:
            for name, sentences in error.message_dict.items():
                if not row.values.get(name):
                    sentences.append(gettext("Required: %(field)s.") % {"field": name})
                yield self._problem(record, name, " ".join(map(gettext, sentences)))

    def _problem(self, record: Record, name: str, sentence: object) -> Problem:
        return Problem(record.line, sentence, self.columns.title(name, record.cells))
