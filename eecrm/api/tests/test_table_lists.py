"""Several names in a cell of a table: what is written is what is read again."""

import csv
import io
import os
import random

import pytest

from csv_files.lists import join_names, split_names
from csv_files.reading import parse_table
from csv_files.writing import csv_text, unguarded

NASTY = [
    "x;PII", "PII", ";", ";;", "a,b", 'say "so"', '"', "it's", "'", "'=1", "\\", "a\\", "a\\;b", "\\u003b", "line\nbreak", "\r\n",
    "=1+1", "+1", "-1", "@SUM(A1)", "＝1", "\t", "tab\tin", " edge ", "\u00a0hard\u00a0", "a=b", "Łódź", "🎪", "u0041", "\u2028", "a b",
]  # fmt: skip


def again(names: set[str]) -> set[str]:
    """Through the cell, the guard against formulas, CSV, and the stripping of cells, as an export is imported."""
    text = csv_text([["groups", "end"], [join_names(names), "."]])
    cell = parse_table(text.encode(), "The file").records[0].cells[0]
    return set(split_names(unguarded(cell.strip()).strip()))


@pytest.mark.parametrize("name", NASTY)
def test_each_name_comes_back(name: str) -> None:
    assert again({name}) == {name}
    assert again({name, "Crew A", "~"}) == {name, "Crew A", "~"}


def test_any_names_come_back() -> None:
    """`SEED=…` repeats a run."""
    seed = int(os.environ.get("SEED") or random.randrange(2**32))
    any_ = random.Random(seed)
    signs = "".join(NASTY) + "abc "
    for _ in range(2_000):
        names = {"".join(any_.choices(signs, k=any_.randint(1, 6))) for _ in range(any_.randint(0, 4))}
        assert again(names) == names, f"SEED={seed}"


def test_a_spreadsheet_that_separates_by_semicolons_finds_no_formula_and_no_line_break() -> None:
    text = csv_text([["username", join_names(NASTY)]])
    assert len(text.splitlines()) == 1
    for row in csv.reader(io.StringIO(text), delimiter=";"):
        assert not [cell for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r", "＝"))]


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("", []), (" ; ;", []), ("A; B ;C", ["A", "B", "C"]), ("A\\;B", ["A;B"]), ("\\A", ["A"]), ("A\\\\;B", ["A\\", "B"]),
        ("\\u0041", ["A"]),
    ],
)  # fmt: skip
def test_what_people_write(cell: str, names: list[str]) -> None:
    assert split_names(cell) == names


@pytest.mark.parametrize("cell", ["\\", "A\\", "A;B\\", "\\\\\\"])
def test_a_backslash_before_nothing_is_an_error(cell: str) -> None:
    with pytest.raises(ValueError, match="write"):
        split_names(cell)
