"""`manage.py import_clients` reads the lists that other programs export, without options.

`data/lists/expect.json` has for each file the rows that must come in, or words of the refusal. `*` stands for any text.
"""

import json

import pytest

from api.email_addresses import normalise_address
from clients.tests.lists import DATA, stored

FIELDS = ("company_name", "first_name", "last_name", "phone", "mobile")
LISTS = DATA / "lists"
EXPECTED = json.loads((LISTS / "expect.json").read_text())
ROWS = {name: expected for name, expected in EXPECTED.items() if isinstance(expected, dict)}
REFUSALS = {name: expected for name, expected in EXPECTED.items() if isinstance(expected, str)}


@pytest.mark.parametrize("name", ROWS)
def test_a_list_of_a_program_comes_in(name, import_):
    before = len(stored())
    import_(LISTS / name)
    expected = {normalise_address(email): row for email, row in ROWS[name].items()}
    found = {row[0]: list(map(str, row[1:])) for row in stored("email", *FIELDS)[before:]}
    assert {
        email: ["*" if expected.get(email, row)[place] == "*" else value for place, value in enumerate(row)]
        for email, row in found.items()
    } == expected


@pytest.mark.parametrize("name", REFUSALS)
def test_a_list_that_lacks_something_is_refused(name, refused):
    assert REFUSALS[name] in refused(LISTS / name)


def test_each_list_has_its_expectation():
    assert {path.name for path in LISTS.iterdir()} == {*EXPECTED, "expect.json"}
