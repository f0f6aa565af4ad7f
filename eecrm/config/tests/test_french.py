"""Each sentence that the code marks for translation has its French."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polib
import pytest

from config.environment import ROOT

FOLDER = ROOT / "eecrm" / "config" / "locale" / "fr" / "LC_MESSAGES"
# Sentences of the pages that need no login; `accounts.tests.test_french_pages` compares them with the templates.
OF_PAGES = ROOT / "eecrm" / "accounts" / "locale" / "fr" / "LC_MESSAGES"


def entries_of(folder: Path) -> dict[str, Any]:
    return {entry.msgid: entry for entry in polib.pofile(str(folder / "django.po")) if not entry.obsolete}


ENTRIES = entries_of(FOLDER)
MARKS = {"_": 1, "gettext": 1, "gettext_lazy": 1, "gettext_noop": 1, "ngettext": 2, "ngettext_lazy": 2}


def marked(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MARKS:
            for argument in node.args[: MARKS[node.func.id]]:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value


SENTENCES = {
    sentence
    for path in (ROOT / "eecrm").rglob("*.py")
    if not {"tests", "node_modules"} & set(path.parts)
    for sentence in marked(path.read_text())
}
PLURALS = {entry.msgid_plural: entry for entry in ENTRIES.values() if entry.msgid_plural}


@pytest.mark.parametrize("sentence", sorted(SENTENCES))
def test_a_sentence_has_its_french_with_the_same_placeholders(sentence: str) -> None:
    entry = ENTRIES.get(sentence) or entries_of(OF_PAGES).get(sentence) or PLURALS[sentence]
    french = [*entry.msgstr_plural.values()] if entry.msgid_plural else [entry.msgstr]
    assert all(french)
    assert "fuzzy" not in entry.flags
    for text in french:
        assert set(re.findall(r"%\(\w+\)s", text)) == set(re.findall(r"%\(\w+\)s", entry.msgid))


def test_no_translation_is_left_of_a_sentence_that_went() -> None:
    assert set(ENTRIES) <= SENTENCES


def test_the_compiled_file_is_that_of_the_texts() -> None:
    compiled = polib.mofile(str(FOLDER / "django.mo"))
    assert {(entry.msgid, entry.msgstr, *entry.msgstr_plural.values()) for entry in compiled} == {
        (entry.msgid, entry.msgstr, *entry.msgstr_plural.values()) for entry in ENTRIES.values()
    }
