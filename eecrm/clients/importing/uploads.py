"""Upload of a list of clients in the admin site. The user chooses a file, checks its effect, and confirms the import."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Self

from django import forms

from accounts.importing.uploads import MAX_UPLOADED_ROWS
from accounts.models import User
from api.signed_uploads import sign_upload, unsign_upload
from clients.importing.checking import Checker
from clients.importing.columns import count_client_titles
from clients.importing.lists import ClientList, client_list_of
from clients.importing.report import list_report
from clients.importing.saving import ImportOutcome, save_clients
from clients.importing.set_aside import rows_with_problems
from csv_files import CannotImport
from csv_files.countries import region_of
from csv_files.problems import failure
from csv_files.reading import Record, parse_table

_CHOOSE = "Choose a CSV file of at most 1 MiB."


@dataclass(frozen=True)
class Options:
    sales_contact_id: int
    country: str = ""
    leaves_out_phones: bool = False
    sets_aside: bool = False


@dataclass
class CheckedUpload:
    """The result of a check: the list, the outcome of its import, and the rows with problems that stay out."""

    clients: ClientList
    outcome: ImportOutcome
    rows_aside: list[tuple[Record, str]] = field(default_factory=list)

    @property
    def report(self) -> list[str]:
        return list(list_report(self.clients))


@dataclass(frozen=True)
class ClientUpload:
    """An uploaded list with the options of its import. The browser keeps both in a signed form field."""

    content: bytes
    options: Options

    def signed(self, user: User, *, beside: int) -> str:
        """Returns the upload for a hidden field. Raises CannotImport if the form would be too long."""
        return sign_upload(self.content, [asdict(self.options)], salt=_salt(user), beside=beside)

    @classmethod
    def unsigned(cls, text: str, user: User) -> Self:
        """Returns the upload from a signed text. Raises BadSignature as `unsign_upload` does."""
        content, (options,) = unsign_upload(text, salt=_salt(user))
        return cls(content, Options(**options))

    def imported(
        self, *, is_dry_run: bool, is_confirmed: Callable[[ImportOutcome], bool] = lambda outcome: True
    ) -> CheckedUpload:
        """Imports the list with the rights of the current PostgreSQL role.

        Raises CannotImport if a row has a problem, unless rows are set aside, and NotAsShown if `is_confirmed` returns
        False.
        """
        table = parse_table(self.content, "The file", count_titles=partial(count_client_titles, chosen={}))
        clients = client_list_of(table, {})
        if len(clients.table.records) > MAX_UPLOADED_ROWS:
            raise CannotImport(
                f"A page takes at most {MAX_UPLOADED_ROWS:,} rows: split the list, or have it imported on the server."
            )
        checker = Checker(
            clients.columns, self.options.sales_contact_id, self.options.country, self.options.leaves_out_phones
        )
        candidates = [found for record in clients.table.records if (found := checker.check(record))]
        if checker.problems and not self.options.sets_aside:
            raise CannotImport(failure(checker.problems))
        outcome = save_clients(candidates, is_dry_run=is_dry_run, is_confirmed=is_confirmed)
        return CheckedUpload(clients, outcome, rows_with_problems(clients.table, checker.problems))


def _salt(user: User) -> str:
    return f"clients.importing.{user.pk}"


class ClientUploadForm(forms.Form):
    file = forms.FileField(
        label="CSV file",
        help_text="At most 1 MiB. The lists of other programs are read as they are: titles in English or French.",
        error_messages={"required": _CHOOSE, "invalid": _CHOOSE, "missing": _CHOOSE, "empty": "The file is empty."},
    )
    sales_contact = forms.ModelChoiceField(queryset=User.objects.none(), help_text="Looks after the new prospects.")
    country = forms.CharField(
        required=False, max_length=100, help_text="Of phone numbers in rows that name no country: France, FR or +33."
    )
    leaves_out_phones = forms.BooleanField(label="Leave out phone numbers that can't be right", required=False)
    sets_aside = forms.BooleanField(
        label="Import the other rows if some have problems",
        required=False,
        help_text="The rows with problems can be downloaded, corrected and imported. Otherwise one refuses the list.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["sales_contact"].queryset = User.objects.sales_contacts().order_by("username")  # type: ignore[attr-defined]

    def clean_country(self) -> str:
        country: str = self.cleaned_data["country"]
        if country and region_of(country) is None:
            raise forms.ValidationError("This isn't a country that is known here.")
        return country

    def upload(self) -> ClientUpload:
        data = self.cleaned_data
        options = Options(data["sales_contact"].pk, data["country"], data["leaves_out_phones"], data["sets_aside"])
        return ClientUpload(data["file"].read(), options)
