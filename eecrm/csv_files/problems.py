"""Describes the problems of an imported CSV file, each with its line and column."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from django.utils.translation import gettext, ngettext

from csv_files.columns import Columns
from csv_files.reading import Record
from csv_files.words import grouped, quoted

MAX_PROBLEMS = 50


class Problem(NamedTuple):
    line: int
    sentence: object  # a str, or an exception with the sentence: many problems are never shown
    column: str = ""  # title of the column in the imported file

    def __str__(self) -> str:
        if not self.column:
            return gettext("line %(line)s: %(sentence)s") % {"line": self.line, "sentence": self.sentence}
        sentence = gettext("line %(line)s, column %(column)s: %(sentence)s")
        return sentence % {"line": self.line, "column": quoted(self.column), "sentence": self.sentence}


def failure(problems: Sequence[Problem], *, is_complete: bool = True) -> str:
    """Returns the error text of an import: a headline, then one line for each of the first problems.

    The problems are in the order of the file. With `is_complete=False` the text says that there may be more problems,
    because not all rows were tried.
    """
    shown = sorted(problems, key=lambda problem: problem.line)[:MAX_PROBLEMS]
    count, more = len(problems), len(problems) - len(shown)
    if is_complete:
        headline = ngettext(
            "Nothing was imported, because of %(count)s problem:",
            "Nothing was imported, because of %(count)s problems:",
            count,
        )
        last = ngettext("and %(count)s more problem.", "and %(count)s more problems.", more)
        end = [last % {"count": grouped(more)}] if more else []
    else:
        headline = ngettext(
            "Nothing was imported, because of at least %(count)s problem:",
            "Nothing was imported, because of at least %(count)s problems:",
            count,
        )
        end = [gettext("and maybe more: the other rows weren't tried.")]
    return "\n".join([headline % {"count": grouped(count)}, *map(str, shown), *end])


def malformed(record: Record, columns: Columns) -> Iterator[Problem]:
    """Yields a problem if the row can't be checked further: a wrong number of fields, or a NUL character.

    Empty fields beyond the last title are no problem, because spreadsheets write a delimiter too many.
    """
    count, expected = len(record.cells), len(columns.header)
    if count < expected or any(cell.strip() for cell in record.cells[expected:]):
        sentence = ngettext(
            "it has %(count)s field, but the header has %(expected)s.",
            "it has %(count)s fields, but the header has %(expected)s.",
            count,
        )
        yield Problem(record.line, sentence % {"count": grouped(count), "expected": grouped(expected)})
        return
    if "\0" not in "".join(record.cells):
        return
    for name, value in columns.values(record.cells).items():
        if "\0" in value:
            sentence = gettext("It contains a NUL character, which no text has.")
            yield Problem(record.line, sentence, columns.title(name, record.cells))
