from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from tqdm import tqdm

from api.import_command import ImportCommand, said_of, table_of_options
from clients.importing.checking import Candidate, Checker
from clients.importing.columns import CLIENT_FIELDS, parse_choices, recognise_client_columns
from clients.importing.countries import region_of
from clients.importing.report import client_import_summary
from clients.importing.saving import find_sales_contact, save_clients
from csv_files import CannotImport
from csv_files.problems import failure
from csv_files.reading import Table
from csv_files.words import listed


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
            help=f"title of the column for a field ({', '.join(CLIENT_FIELDS)}); may be given several times",
        )
        parser.add_argument(
            "--country", default="", help="country (name or code) of phone numbers in rows without a country"
        )
        parser.add_argument(
            "--lenient-phones",
            action="store_true",
            help="leave out invalid phone numbers, instead of refusing the file",
        )

    def lines(self, **options: Any) -> Iterator[str]:
        table = table_of_options(options)
        if options["country"] and region_of(options["country"]) is None:
            raise CannotImport(f"--country {options['country']}: this isn't a country that is known here.")
        columns = recognise_client_columns(table.header, parse_choices(options["column"]))
        yield said_of(table)
        if columns.ignored:
            yield f"Ignored columns: {listed(columns.ignored)}."
        checker = Checker(
            columns, find_sales_contact(options["sales_contact"]), options["country"], options["lenient_phones"]
        )
        candidates = _checked(table, checker, is_quiet=options["verbosity"] == 0)
        if checker.problems:
            raise CannotImport(failure(checker.problems))
        outcome = save_clients(candidates, is_dry_run=options["dry_run"])
        yield from client_import_summary(outcome, options["sales_contact"], is_dry_run=options["dry_run"])


def _checked(table: Table, checker: Checker, *, is_quiet: bool) -> list[Candidate]:
    progress = tqdm(table.records, desc="Checking", unit=" rows", disable=is_quiet)
    checked = (checker.check(record) for record in progress)
    return [candidate for candidate in checked if candidate is not None]
