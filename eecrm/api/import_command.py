"""Base class of the commands that import a CSV file: their options, first line of output and errors."""

from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext, ngettext, override

from access.refusals import refusals_as_command_errors
from csv_files import CannotImport
from csv_files.reading import DELIMITERS, Table, read_table
from csv_files.words import grouped


class ImportCommand(BaseCommand):
    """Imports a CSV file: all of its rows or none. Subclasses implement `lines`."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="the CSV file; its first row names the columns")
        parser.add_argument("--dry-run", action="store_true", help="check everything, change nothing")
        parser.add_argument("--encoding", help="such as utf-8, utf-16, cp1252 or cp1250 (default: detected)")
        parser.add_argument("--delimiter", help="one character, or tab (default: detected)")
        parser.add_argument("--language", choices=["en", "fr"], default="en", help="of the report (default: en)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with override(options["language"]), refusals_as_command_errors(before="Nothing was imported. "):
                for line in self.lines(**options):
                    self.stdout.write(line)
        except CannotImport as error:
            raise CommandError(str(error)) from None

    def lines(self, **options: Any) -> Iterator[str]:
        """Imports the file and yields lines of output. Raises CannotImport if nothing can be imported."""
        raise NotImplementedError


def table_of_options(options: dict[str, Any], *, count_titles: Callable[[list[str]], int] | None = None) -> Table:
    return read_table(
        options["file"],
        encoding=options["encoding"],
        delimiter=_delimiter(options["delimiter"]),
        count_titles=count_titles,
    )


def said_of(table: Table) -> str:
    """Returns the command's first line of output: number of rows, encoding and delimiter of the CSV file."""
    name = DELIMITERS.get(table.delimiter)
    sentence = ngettext(
        "Read %(count)s row, in %(encoding)s with %(delimiter)s.",
        "Read %(count)s rows, in %(encoding)s with %(delimiter)s.",
        len(table.records),
    )
    return sentence % {
        "count": grouped(len(table.records)),
        "encoding": table.encoding,
        "delimiter": gettext(name) if name else f"'{table.delimiter}'",
    }


def _delimiter(option: str | None) -> str | None:
    delimiter = "\t" if option in {"tab", "\\t"} else option
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n\0'):
        sentence = gettext("--delimiter %(delimiter)s: write one character, or tab.")
        raise CannotImport(sentence % {"delimiter": option})
    return delimiter
