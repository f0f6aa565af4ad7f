"""Upload of an account list in the admin site. The user chooses a file, checks its effect, and confirms the import."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from django import forms
from django.conf import settings
from django.core.signing import TimestampSigner

from access import policy
from access.policy import Scope
from accounts.importing.checking import check_accounts
from accounts.importing.columns import ROLES
from accounts.importing.planning import ImportPlan, Wishes
from accounts.importing.saving import save_accounts
from accounts.models import User
from csv_files import CannotImport
from csv_files.reading import parse_table

_CHOOSE = "Choose a CSV file of at most 1 MiB."
_EXPIRES = 30 * 60  # maximum number of seconds between the check of the file and the confirmation
_MAX_UPLOADED_ROWS = 5_000  # importing 5,000 rows takes a few seconds, and a request may take at most 30 s


@dataclass(frozen=True)
class Upload:
    """An uploaded file, with the option to invite new accounts.

    The browser keeps both in a signed form field between the check and the confirmation. The server doesn't store them.
    """

    content: bytes
    invites: bool

    def signed(self, user: User, *, beside: int) -> str:
        """Returns the upload as a signed text for a hidden field of the check page's form.

        `beside` is the length of the form's other long field, the confirmation token. Raises CannotImport if the two
        fields together would be too long for a form.
        """
        text = self._signer(user).sign_object([self.content.decode("latin-1"), self.invites], compress=True)
        if len(text) + beside > settings.DATA_UPLOAD_MAX_MEMORY_SIZE - 4096:
            raise CannotImport("This list is too large for a page: split it, or have it imported on the server.")
        return text

    @classmethod
    def unsigned(cls, text: str, user: User) -> Self:
        """Returns the upload from a signed text.

        Raises BadSignature if the text wasn't signed for this user in the last half hour.
        """
        content, invites = cls._signer(user).unsign_object(text, max_age=_EXPIRES)
        return cls(content.encode("latin-1"), invites)

    @staticmethod
    def _signer(user: User) -> TimestampSigner:
        return TimestampSigner(salt=f"accounts.importing.{user.pk}")

    def imported(
        self, user: User, *, is_dry_run: bool, is_confirmed: Callable[[ImportPlan], bool] = lambda planned: True
    ) -> ImportPlan:
        """Imports the list with the rights of the current PostgreSQL role, and returns the plan.

        Raises CannotImport if a row is refused, and NotAsShown if `is_confirmed` returns False.
        """
        table = parse_table(self.content, "The file")
        if len(table.records) > _MAX_UPLOADED_ROWS:
            raise CannotImport(
                f"A page takes at most {_MAX_UPLOADED_ROWS:,} rows: split the list, or have it imported on the server."
            )
        wishes = Wishes(
            invites=self.invites,
            actor_id=user.pk,
            takes_addresses=policy.rule(user, "user", "promote").scope is Scope.ALL,
        )
        checked = check_accounts(table, is_quiet=True)
        return save_accounts(checked, wishes, is_dry_run=is_dry_run, is_quiet=True, is_confirmed=is_confirmed)


class UploadForm(forms.Form):
    file = forms.FileField(
        label="CSV file",
        help_text="At most 1 MiB. Encoding and delimiter are found out; the first row names the columns.",
        error_messages={"required": _CHOOSE, "invalid": _CHOOSE, "missing": _CHOOSE, "empty": "The file is empty."},
    )
    invites = forms.BooleanField(
        label="Invite new accounts",
        required=False,
        initial=True,
        help_text="Each new active account is sent a link with which to choose a password.",
    )

    def upload(self) -> Upload:
        return Upload(self.cleaned_data["file"].read(), self.cleaned_data["invites"])


class ExportForm(forms.Form):
    role = forms.ChoiceField(choices=[("", "Every role"), *ROLES.items()], required=False)
    active = forms.BooleanField(label="Active accounts only", required=False)
