"""What is wrong with a table, by line and column."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from csv_files.columns import Columns
from csv_files.reading import Record
from csv_files.words import counted, quoted

MOST_PROBLEMS = 50


class Problem(NamedTuple):
    line: int
    sentence: str
    column: str = ""  # its title in the file

    def __str__(self) -> str:
        where = f", column {quoted(self.column)}" if self.column else ""
        return f"line {self.line}{where}: {self.sentence}"


def failure(problems: Sequence[Problem]) -> str:
    """Why nothing was imported: one line, and one for each of the first problems in the order of the file."""
    shown = sorted(problems, key=lambda problem: problem.line)[:MOST_PROBLEMS]
    more = len(problems) - len(shown)
    end = [f"and {counted(more, 'more problem')}."] if more else []
    return "\n".join([f"Nothing was imported, because of {counted(len(problems), 'problem')}:", *map(str, shown), *end])


def malformed(record: Record, columns: Columns) -> Iterator[Problem]:
    """What makes a row no row of this table, so that nothing else of it can be checked."""
    found, wanted = len(record.cells), len(columns.header)
    if found != wanted:
        yield Problem(record.line, f"it has {counted(found, 'field')}, but the header has {wanted:,}.")
        return
    for name, value in columns.values(record.cells).items():
        if "\0" in value:
            yield Problem(record.line, "It contains a NUL character, which no text has.", columns.title(name))
