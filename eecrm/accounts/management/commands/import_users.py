from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from access.database import acting_as
from access.policy import Role
from accounts.importing.checking import check_accounts
from accounts.importing.columns import ACCOUNT_COLUMNS
from accounts.importing.planning import Wishes, uninvited_accounts
from accounts.importing.report import account_import_summary, log_import
from accounts.importing.saving import save_accounts
from api.import_command import ImportCommand, said_of, table_of_options
from csv_files import CannotImport


class Command(ImportCommand):
    help = (
        "Import accounts from a CSV file, all or none. New accounts are invited by mail. Existing accounts are changed,"
        " but not their passwords, and not the columns that the file lacks. The columns:"
        f" {', '.join(ACCOUNT_COLUMNS)}."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--no-invitations", action="store_true", help="queue no mail for new accounts")
        parser.add_argument(
            "--resend", action="store_true", help="also invite existing accounts that never had a password"
        )
        parser.add_argument("--notify-to", default="", metavar="ADDRESS", help="send all mails here, as a rehearsal")

    def lines(self, **options: Any) -> Iterator[str]:
        notify_to, is_dry_run = _notified_address(options["notify_to"]), options["dry_run"]
        is_quiet = options["verbosity"] == 0
        table = table_of_options(options)
        yield said_of(table)
        checked = check_accounts(table, is_quiet=is_quiet)
        uninvited = uninvited_accounts(checked) if options["resend"] else frozenset()
        wishes = Wishes(not options["no_invitations"], notify_to, uninvited)
        with acting_as(Role.SUPERUSER):
            planned = save_accounts(checked, wishes, is_dry_run=is_dry_run, is_quiet=is_quiet)
        if not is_dry_run:
            log_import(planned)
        yield from account_import_summary(planned, notify_to=notify_to, is_dry_run=is_dry_run)


def _notified_address(option: str) -> str:
    try:
        if option:
            validate_email(option)
    except ValidationError:
        raise CannotImport(f"--notify-to {option}: this isn't an email address.") from None
    return option
