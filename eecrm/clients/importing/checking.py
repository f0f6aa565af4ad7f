"""Checks the rows of a CSV file. A valid row becomes a prospect. Each problem is reported with its line and column."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from django.core.exceptions import ValidationError
from phonenumber_field.phonenumber import PhoneNumber

from clients.importing.columns import COUNTRY
from clients.importing.phones import UnreadablePhone, read_phone
from clients.models import Client
from csv_files.columns import Columns
from csv_files.problems import Problem, malformed
from csv_files.reading import Record

_NAME_FIELDS = ("company_name", "first_name", "last_name", "email")
_PHONES = ("phone", "mobile")
# The check of a row skips these fields: the sales contact, and fields that no file contains.
# The sales contact is the same for all rows, and is checked once.
_NOT_CHECKED = {known.name for known in Client._meta.fields} - {*_NAME_FIELDS, *_PHONES}


@dataclass(frozen=True)
class Candidate:
    """A valid row of the file. `left_out` has a sentence for each unreadable phone number, which the import drops."""

    line: int
    client: Client
    left_out: tuple[str, ...] = ()
    extensions: int = 0

    @property
    def key(self) -> str:
        """The key for finding duplicates: the client's email address in lower case (as in `client_email_unique`)."""
        return self.client.email.lower()


@dataclass
class Checker:
    """Checks the rows of a file with the validation of the model `Client`, and collects all problems."""

    columns: Columns
    sales_contact_id: int
    country: str = ""
    is_lenient: bool = False
    problems: list[Problem] = field(default_factory=list)

    def check(self, record: Record) -> Candidate | None:
        if malformations := list(malformed(record, self.columns)):
            self.problems += malformations
            return None
        values = self.columns.values(record.cells)
        phones, unreadable = self._phones(record, values)
        client = Client(
            sales_contact_id=self.sales_contact_id, **{name: values[name] for name in _NAME_FIELDS}, **phones
        )
        problems = [*self._invalid(record, client), *([] if self.is_lenient else unreadable)]
        if problems:
            self.problems += problems
            return None
        extensions = sum(bool(number.extension) for number in phones.values())
        return Candidate(record.line, client, tuple(map(str, unreadable)), extensions)

    def _phones(self, record: Record, values: dict[str, str]) -> tuple[dict[str, PhoneNumber], list[Problem]]:
        country = values.get(COUNTRY) or self.country
        phones: dict[str, PhoneNumber] = {}
        unreadable: list[Problem] = []
        for name in _PHONES:
            try:
                if values.get(name):
                    phones[name] = read_phone(values[name], country)
            except UnreadablePhone as error:
                unreadable.append(self._problem(record, name, str(error)))
        return phones, unreadable

    def _invalid(self, record: Record, client: Client) -> Iterator[Problem]:
        try:
            client.clean_fields(exclude=_NOT_CHECKED)
        except ValidationError as error:
            for name, sentences in error.message_dict.items():
                yield self._problem(record, name, " ".join(sentences))

    def _problem(self, record: Record, name: str, sentence: str) -> Problem:
        return Problem(record.line, sentence, self.columns.title(name))
