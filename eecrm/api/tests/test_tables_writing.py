"""No spreadsheet takes a cell of ours for a formula, whichever sign it separates cells by."""

import csv
import io
import os
import random
import re

import pytest

from csv_files.writing import csv_text, guarded, unguarded

# What begins a formula, behind what a spreadsheet drops.
FORMULA = re.compile('[\\s"]*[=+\\-@＝＋－＠\t\r\n]')
SEPARATORS = (",", ";", "|", "\t")

HOSTILE = [
    "=1+1", "+33612345678", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠x", "x;=1+1", "x;\t=1", "x; =1", 'x;"=1"',
    "x,=1", "x|=cmd", "x\t@y", "x\r\n=1", "x\n+1", "x\r-1", ";=1", ";;=1", "x;=1;=2,+3", "'=1", "''=1", "x;'=1", "x;''=1", '"=1"', " =1",
    "\u00a0=1", "x;＝1", "a\n\n=1", "'", ";'", "=", ";=", "\t", "\r\n", "a;-b;+c;@d", "Dupont; -Jones", "x\u2028=1", "",
]  # fmt: skip
HARMLESS = [
    "Dupont",
    "a-b",
    "1+1",
    "a=b",
    "x;y",
    "ann@own.example",
    "O'Brien",
    "a, b",
    "Crew;Night",
    "x\ny",
    "'quoted'",
]


def cells(text: str, separator: str) -> list[str]:
    """The cells as a spreadsheet finds them, which is never strict about quotation marks."""
    return [cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) for cell in row]


def lines(text: str, separator: str) -> list[str]:
    """The cells as a program finds them that knows nothing of quotation marks."""
    return re.split("[\r\n" + re.escape(separator) + "]", text)


def is_safe(text: str) -> bool:
    return not any(FORMULA.match(cell) for separator in SEPARATORS for cell in cells(text, separator) if cell.strip())


@pytest.mark.parametrize("text", HOSTILE)
def test_whichever_sign_separates_no_cell_begins_a_formula(text: str) -> None:
    written = csv_text([["name", text, "x"], [text, text]])
    assert is_safe(written), written
    for separator in SEPARATORS:
        found = [cell for cell in lines(written, separator) if re.match("[\"']*[=+@＝＋－＠-]", cell)]
        assert all(cell.lstrip('"').startswith("'") for cell in found), written
    (_, read, _), again = csv.reader(io.StringIO(written, newline=""))
    assert [unguarded(read), *map(unguarded, again)] == [text] * 3


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_formula_is_left_alone(text: str) -> None:
    assert guarded(text) == unguarded(text) == text


def test_the_guard_comes_off_again_whatever_the_text() -> None:
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(2**32))
    print(f"SEED={seed}")
    chance = random.Random(seed)
    for _ in range(20_000):
        text = "".join(chance.choices("=+-@＝;,|\t\r\n'\" xé", k=chance.randrange(1, 9)))
        assert unguarded(guarded(text)) == text, (seed, text)
        assert is_safe(csv_text([["x", text, "y"]])), (seed, text)
