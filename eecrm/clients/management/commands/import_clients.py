from argparse import ArgumentParser
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from django.utils.translation import gettext
from tqdm import tqdm

from access.database import acting_as
from access.policy import Role
from api.import_command import ImportCommand, said_of, table_of_options
from clients.importing.checking import Candidate, Checker
from clients.importing.columns import CLIENT_FIELDS, count_client_titles, parse_choices
from clients.importing.lists import ClientList, client_list_of
from clients.importing.report import client_import_summary, list_report, set_aside_report
from clients.importing.saving import find_sales_contact, save_clients
from clients.importing.set_aside import refuse_existing_file, rows_with_problems, set_aside
from clients.importing.title_words import FULL_NAME
from csv_files import CannotImport
from csv_files.countries import region_of
from csv_files.problems import failure


class Command(ImportCommand):
    help = "Import companies from a CSV file as prospects: all rows or none. Clients that exist already aren't changed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--sales-contact", required=True, metavar="USERNAME", help="sales contact of the new prospects"
        )
        parser.add_argument(
            "--column",
            action="append",
            default=[],
            metavar="FIELD=TITLE",
            help=f"title of the column for a field ({', '.join((*CLIENT_FIELDS, FULL_NAME))}); may be given several times",
        )
        parser.add_argument(
            "--country",
            default="",
            help="country (name, code or +33) of phone numbers in rows without a country",
        )
        parser.add_argument(
            "--lenient-phones",
            action="store_true",
            help="leave out invalid phone numbers, instead of refusing the file",
        )
        parser.add_argument(
            "--set-aside",
            type=Path,
            metavar="FILE",
            help="write rows with problems into this new file, and import the others, instead of refusing all rows",
        )

    def lines(self, **options: Any) -> Iterator[str]:
        aside: Path | None = options["set_aside"]
        if aside:
            refuse_existing_file(aside)
        if options["country"] and region_of(options["country"]) is None:
            sentence = gettext("--country %(country)s: this isn't a country that is known here.")
            raise CannotImport(sentence % {"country": options["country"]})
        chosen = parse_choices(options["column"])
        table = table_of_options(options, count_titles=partial(count_client_titles, chosen=chosen))
        clients = client_list_of(table, chosen)
        yield said_of(clients.table)
        yield from list_report(clients)
        checker = Checker(
            clients.columns, find_sales_contact(options["sales_contact"]), options["country"], options["lenient_phones"]
        )
        candidates = _checked(clients, checker, is_quiet=options["verbosity"] == 0)
        if checker.problems and not aside:
            raise CannotImport(failure(checker.problems))
        is_dry_run = options["dry_run"]
        rows = rows_with_problems(clients.table, checker.problems)
        # Managers may create clients for any sales user. So the command can't do more than a manager can do in the API.
        with set_aside(None if is_dry_run else aside, clients.table, rows), acting_as(Role.MANAGEMENT):
            outcome = save_clients(candidates, is_dry_run=is_dry_run)
        yield from client_import_summary(outcome, options["sales_contact"], is_dry_run=is_dry_run)
        if rows:
            yield from set_aside_report([problem for _, problem in rows], aside, is_dry_run=is_dry_run)


def _checked(clients: ClientList, checker: Checker, *, is_quiet: bool) -> list[Candidate]:
    progress = tqdm(clients.table.records, desc="Checking", unit=" rows", disable=is_quiet)
    checked = (checker.check(record) for record in progress)
    return [candidate for candidate in checked if candidate is not None]
