"""Writes the rows with problems into a CSV file of their own, to be corrected and imported again."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.utils.translation import gettext

from csv_files import CannotImport
from csv_files.problems import Problem
from csv_files.reading import Record, Table
from csv_files.writing import BYTE_ORDER_MARK, CannotExport, csv_text, write_privately


def rows_with_problems(table: Table, problems: list[Problem]) -> list[tuple[Record, str]]:
    """Returns each row that has problems, with the text of its problems."""
    sentences: dict[int, list[str]] = {}
    for problem in problems:
        sentences.setdefault(problem.line, []).append(str(problem))
    return [(record, "\n".join(sentences[record.line])) for record in table.records if record.line in sentences]


def set_aside_csv(table: Table, rows: list[tuple[Record, str]]) -> bytes:
    """Returns the rows as a CSV file for spreadsheets. Its first column has the problems; an import ignores it."""
    header = [gettext("Problem"), *table.header]
    text = csv_text([header, *([problem, *record.cells] for record, problem in rows)], delimiter=table.delimiter)
    return (BYTE_ORDER_MARK + text).encode()


@contextmanager
def set_aside(path: Path | None, table: Table, rows: list[tuple[Record, str]]) -> Iterator[None]:
    """Writes the rows into the file `path` before the import, and deletes the file if the import fails.

    Only the file's owner may read it (mode 0600). Without a path or without rows no file is written. Raises
    CannotImport if the file exists or can't be written.
    """
    if path is None or not rows:
        yield
        return
    try:
        write_privately(path, set_aside_csv(table, rows))
    except CannotExport as error:
        raise CannotImport(str(error)) from None
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def refuse_existing_file(path: Path) -> None:
    """Raises CannotImport if there is a file `path`, so that an import doesn't fail only after its checks."""
    if os.path.lexists(path):
        sentence = gettext("--set-aside %(file)s: this file exists already, and isn't replaced. Choose another name.")
        raise CannotImport(sentence % {"file": path})
