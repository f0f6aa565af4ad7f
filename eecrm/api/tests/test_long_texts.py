"""What is done with a text costs its length, and not its square: forms and files are read before their lengths are judged."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from accounts.login.usernames import normalise_username
from api.email_addresses import normalise_address
from api.spelling import has_web_address, normalise_free_text, normalise_name, normalise_title, trim
from csv_files.lists import join_names, split_names
from csv_files.words import plain
from csv_files.writing import guarded, is_formula, unguarded

LONG = 30_000  # of which the square would take seconds
PARTS = (
    " ",
    "\u200b",
    "1",
    "1.",
    "a.",
    "\t'",
    "\t ",
    "\t",
    "'",
    '"',
    ";'",
    ";",
    "\\;",
    "\u3000\u200b",
    "/",
    "@",
    "\u0301\u0327",
)  # the last are two marks that Unicode puts into order, one by one
TEXTS = [f"{start}{part * LONG}{end}" for part in PARTS for start, end in (("", ""), ("a", "b"), ("a", "="))]


@pytest.mark.parametrize(
    "work",
    [
        trim, normalise_name, normalise_title, normalise_free_text, normalise_address, normalise_username, has_web_address, plain, guarded, unguarded,
        is_formula,
    ],
)  # fmt: skip
def test_no_text_costs_more_than_its_length(work: Callable[[str], Any]) -> None:
    for text in TEXTS:
        started = time.process_time()
        work(text)
        assert time.process_time() - started < 0.5, text[:5]


def test_no_list_of_names_costs_more_than_its_length() -> None:
    for text in TEXTS:
        started = time.process_time()
        assert split_names(join_names([text])) == [text]
        assert time.process_time() - started < 1, text[:5]


def test_texts_are_trimmed_at_both_edges() -> None:
    assert trim(" \u200b\t a \u200b b\u3000\u2060 ") == "a \u200b b"
    assert trim(" \u200b ") == trim("") == ""


@pytest.mark.parametrize("text", ["8.8.8.8", "x 127.0.0.1 y", "12345.6.7.89", "1。2.3.4"])
def test_a_number_of_the_internet_is_a_web_address(text: str) -> None:
    assert has_web_address(text)


@pytest.mark.parametrize("text", ["8.8.8.", "1.2", "1", "8.8 .8.8"])
def test_another_number_is_none(text: str) -> None:
    assert not has_web_address(text)
