"""Describes the problems of an imported CSV file, each with its line and column."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from csv_files.columns import Columns
from csv_files.reading import Record
from csv_files.words import counted, quoted

MAX_PROBLEMS = 50


class Problem(NamedTuple):
    line: int
    sentence: str
    column: str = ""  # title of the column in the imported file

    def __str__(self) -> str:
        where = f", column {quoted(self.column)}" if self.column else ""
        return f"line {self.line}{where}: {self.sentence}"


def failure(problems: Sequence[Problem], *, is_complete: bool = True) -> str:
    """Returns the error text of an import: a headline, then one line for each of the first problems.

    The problems are in the order of the file. With `is_complete=False` the text says that there may be more problems,
    because not all rows were tried.
    """
    shown = sorted(problems, key=lambda problem: problem.line)[:MAX_PROBLEMS]
    more = len(problems) - len(shown)
    number = counted(len(problems), "problem")
    if is_complete:
        end = [f"and {counted(more, 'more problem')}."] if more else []
    else:
        number, end = f"at least {number}", ["and maybe more: the other rows weren't tried."]
    return "\n".join([f"Nothing was imported, because of {number}:", *map(str, shown), *end])


def malformed(record: Record, columns: Columns) -> Iterator[Problem]:
    """Yields a problem if the row can't be checked further: a wrong number of fields, or a NUL character."""
    count, expected = len(record.cells), len(columns.header)
    if count != expected:
        yield Problem(record.line, f"it has {counted(count, 'field')}, but the header has {expected:,}.")
        return
    for name, value in columns.values(record.cells).items():
        if "\0" in value:
            yield Problem(record.line, "It contains a NUL character, which no text has.", columns.title(name))
