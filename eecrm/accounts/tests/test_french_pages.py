"""The pages that need no login speak French to a French browser, and each of their sentences has its French."""

import ast
import html
import re
from collections.abc import Iterator
from typing import Any

import polib
import pytest
from django.test import Client as Browser

from accounts.addresses import links as address_links
from accounts.models import AddressChange
from accounts.passwords import links
from accounts.tests.test_links import account
from config.environment import ROOT
from conftest import Visitor, World

APP = ROOT / "eecrm" / "accounts"
FOLDER = APP / "locale" / "fr" / "LC_MESSAGES"
ENTRIES = {entry.msgid: entry.msgstr for entry in polib.pofile(str(FOLDER / "django.po"))}
GETTEXT = ("gettext", "gettext_lazy")
TAGS = re.compile(r'{% translate "([^"]+)" %}|{% blocktranslate trimmed.*? %}(.*?){% endblocktranslate %}', re.DOTALL)


def in_code(source: str) -> Iterator[str]:
    """As `translation.gettext("…")`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in GETTEXT:
            (text,) = node.args
            assert isinstance(text, ast.Constant)
            yield str(text.value)


def in_template(source: str) -> Iterator[str]:
    for literal, block in TAGS.findall(source):
        lines = " ".join(line.strip() for line in block.strip().splitlines())
        yield literal or re.sub(r"{{ (\w+) }}", r"%(\1)s", lines)


SENTENCES = {
    *(text for path in APP.rglob("*.py") if "tests" not in path.parts for text in in_code(path.read_text())),
    *(text for path in APP.rglob("*.html") for text in in_template(path.read_text())),
}


def test_each_sentence_has_its_french_and_no_other_is_left() -> None:
    assert len(SENTENCES) > 50
    assert set(ENTRIES) == SENTENCES
    for sentence, french in ENTRIES.items():
        assert french, sentence
        for form in (r"%\(\w+\)s", r"</?\w+[^>]*>"):
            assert re.findall(form, french) == re.findall(form, sentence), sentence


def test_the_compiled_file_is_that_of_the_texts() -> None:
    assert {entry.msgid: entry.msgstr for entry in polib.mofile(str(FOLDER / "django.mo"))} == ENTRIES


FRENCH = {"HTTP_ACCEPT_LANGUAGE": "fr-CH, fr;q=0.9, en;q=0.8"}


@pytest.mark.parametrize(
    ("language", "lang", "words"),
    [
        ("fr-CH, fr;q=0.9, en;q=0.8", "fr", "Mot de passe oublié"), ("de, fr;q=0.5", "fr", "Mot de passe oublié"),
        ("en, fr;q=0.8", "en-GB", "Forgotten"), ("de", "en-GB", "Forgotten"), ("", "en-GB", "Forgotten"),
    ],
)  # fmt: skip
def test_a_page_is_in_the_language_of_the_browser(language: str, lang: str, words: str, world: World) -> None:
    page = Visitor(HTTP_ACCEPT_LANGUAGE=language).get("/account/forgotten/")
    assert f'<html lang="{lang}">' in page.content.decode() and words in page.content.decode()
    assert (page["Content-Language"], "Accept-Language" in page["Vary"]) == (lang.lower(), True)


def test_each_page_and_each_fault_of_a_form_is_french(world: World) -> None:
    browser = Visitor(**FRENCH)
    link = links.PASSWORD_RESET.url(account("sales")).removeprefix("http://127.0.0.1:8000")
    AddressChange.objects.create(user=account("sales"), address="new@epic.example")
    change = AddressChange.objects.get()
    confirm = address_links.context(change)["link"].removeprefix("http://127.0.0.1:8000")
    objection = address_links.objection_context(change)["objection"].removeprefix("http://127.0.0.1:8000")
    choose = browser.get(link).url
    short, own = "court", "sales epic events"
    pages = {
        "/account/forgotten/sent/": "un lien est en route",
        "/account/password/done/": "Votre mot de passe est enregistré",
        "/account/address/done/": "Votre adresse est confirmée",
        "/account/address/x/": "Ce lien ne fonctionne plus",
        "/account/nothing": "Ce lien ne fonctionne plus",
        choose: "Choisissez votre mot de passe",
        confirm: "Mot de passe de votre compte",
        objection: "Conserver mon adresse",
    }
    for path, words in pages.items():
        assert words.lower() in html.unescape(browser.get(path).content.decode()).lower(), path
    copied = Visitor(**FRENCH).get(choose)
    assert "Ce lien ne fonctionne pas ici" in copied.content.decode()
    forms: list[tuple[str, dict[str, str], str]] = [
        (choose, {"new_password1": short, "new_password2": short}, "Utilisez au moins 12 caractères."),
        (choose, {"new_password1": own, "new_password2": own}, "il doit rester au moins 8 caractères"),
        ("/account/forgotten/", {"account": "\u200b"}, "Saisissez une adresse e-mail ou un nom d’utilisateur"),
        (confirm, {"password": "wrong"}, "Ce n’est pas le mot de passe du compte"),
    ]
    for path, form, words in forms:
        assert words in html.unescape(browser.post(path, form).content.decode()), path
    assert "Votre adresse ne change pas" in browser.post(objection, {}).content.decode()


@pytest.mark.parametrize(
    ("origin", "words"), [("http://testserver", "Voici ce que vous aviez saisi"), ("null", "Revenez")]
)
def test_a_refused_form_is_french(origin: str, words: str, world: World) -> None:
    form: dict[str, Any] = {"account": "sales"}
    page = Browser(enforce_csrf_checks=True, **FRENCH).post("/account/forgotten/", form, HTTP_ORIGIN=origin)
    assert (page.status_code, words in page.content.decode()) == (403, True)
