"""Names in all scripts: found by their own text, and in the order of a dictionary.

`data/names_in_order.txt` has more than 200 names of 30 scripts, in the order of ICU's root collation. A server that has ICU
confirms the order of the file; every server gives it.
"""

import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from access.database import acting_as
from access.policy import Role
from clients.models import Client
from conftest import API, Caller, Visitor, World, as_migrator, make_client, make_contract, make_event

NAMES = (Path(__file__).parent / "data" / "names_in_order.txt").read_text(encoding="utf-8").splitlines()


@pytest.fixture
def migrator() -> Iterator[Any]:
    """No role of the application may fold a name: triggers do that."""
    with as_migrator() as connection, connection.cursor() as cursor:
        yield cursor


def without_punctuation(name: str) -> str:
    plain = (" " if unicodedata.category(sign)[0] in "PSZ" else sign for sign in name)
    return " ".join("".join(plain).split())


def without_accents(name: str, *, categories: tuple[str, ...]) -> str:
    return "".join(sign for sign in unicodedata.normalize("NFD", name) if unicodedata.category(sign) not in categories)


def spellings(name: str) -> Iterator[str]:
    """A name as people type it."""
    decomposed = unicodedata.normalize("NFD", name)
    yield from (name, decomposed, unicodedata.normalize("NFKC", name), name.lower(), name.upper())
    yield without_accents(name, categories=("Mn",))
    yield "".join(sign for sign in decomposed if not unicodedata.combining(sign))
    yield from (name[:3], *(word[:3] for word in name.split() if len(word) > 2))


def test_every_name_is_found_by_each_of_its_spellings(migrator: Any) -> None:
    pairs = [(name, asked) for name in NAMES for asked in spellings(name)]
    migrator.execute(
        "SELECT name, asked FROM unnest(%s, %s) AS pair (name, asked) WHERE (words_of(name) @@ search_query(asked, true)) IS NOT TRUE",
        [[name for name, _ in pairs], [asked for _, asked in pairs]],
    )
    assert migrator.fetchall() == []


def test_names_are_in_the_order_of_a_dictionary(migrator: Any) -> None:
    migrator.execute(
        'SELECT array_agg(name ORDER BY order_key(name) COLLATE "C", place DESC) FROM unnest(%s) WITH ORDINALITY AS row (name, place)',
        [NAMES],
    )
    assert migrator.fetchone()[0] == NAMES


def test_it_is_the_order_of_icu(migrator: Any) -> None:
    migrator.execute("SELECT FROM pg_collation WHERE collname = 'und-x-icu'")
    if not migrator.fetchall():
        pytest.skip("This build of PostgreSQL has no ICU.")
    plain = [without_punctuation(name) for name in NAMES]
    migrator.execute('SELECT array_agg(name ORDER BY name COLLATE "und-x-icu") FROM unnest(%s) AS name', [plain])
    assert migrator.fetchone()[0] == plain


def test_names_that_differ_in_accents_or_case_only_stand_together(migrator: Any) -> None:
    names = ["cote", "Cote", "coté", "Coté", "côte", "Côte", "côté", "Côté", "coter"]
    migrator.execute(
        'SELECT array_agg(name ORDER BY order_key(name) COLLATE "C") FROM unnest(%s) AS name', [names[::-1]]
    )
    assert migrator.fetchone()[0] == names


@pytest.mark.parametrize(
    "text", ["", "\u0301", "\u200b", "★", "a" * 200, "ﷺ" * 200, "㌖" * 200, "각" * 200, "\U0001f389" * 200]
)
def test_no_text_is_too_much(text: str, migrator: Any) -> None:
    """An index has room for a key, and a text search for a word."""
    migrator.execute(
        "SELECT length(order_key(%(text)s)) <= 250, words_of(%(text)s) @@ search_query(%(text)s, false) OR %(text)s = ANY ('{\"\",\u0301}')",
        {"text": text},
    )
    assert migrator.fetchone() == (True, True)


# A name, texts that find it, and texts that don't.
SEARCHES = [
    ("O'Brien", ["o'brien", "O’BRIEN", "obrien", "brien", "o brien"], ["rien", "o'connor"]),
    ("OBrien", ["o'brien"], ["brien"]),
    ("Jean-Pierre", ["jean-pierre", "jean pierre", "jeanpierre", "pierre", "Jean‐Pierre"], ["anpierre"]),
    ("Jeanne d'Arc", ["d'arc", "darc", "arc", "jeanne d’arc", "jeanne arc"], ["jeanne bark"]),
    ("C&A", ["c&a", "ca", "c a", "C & A"], ["c&b"]),
    ("A.B.C. Events", ["a.b.c.", "abc", "abc events", "a.b.c events"], ["abd"]),
    ("Dupont & Fils", ["dupont & fils", "dupont fils", "Dupont&Fils"], ["dupont et fils"]),
    ("Straße", ["strasse", "STRASSE", "straße"], ["strase"]),
    ("Œuvre", ["oeuvre", "ŒUVRE", "oeu"], ["euvre"]),
    ("Łódź Ærø", ["lodz aero", "łódź", "LODZ"], ["odz"]),
    ("Işık", ["isik", "ISIK", "IŞIK", "işik"], ["sik"]),
    ("İnci", ["inci", "İNCİ", "INCI"], []),
    ("Þórður", ["thordur", "þórður"], []),
    ("Nguyễn Đình", ["nguyen dinh", "NGUYỄN"], []),
    ("Ｆｕｌｌ １２", ["full 12", "ｆｕｌｌ"], []),
    ("ｻｸﾗ", ["サクラ", "さくら"], []),
    ("یوسف", ["يوسف"], []),
    ("می‌خواهم", ["میخواهم"], []),
    ("Studio 54 2024", ["studio 54 2024", "54 2024", "studio 202"], ["55 2024"]),
    ("★★★", ["★★★"], ["★★★★", "☆"]),
    ("!!!", ["!!!"], ["?"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "found", "missed"), SEARCHES)
def test_a_search_finds_what_people_expect(
    name: str, found: list[str], missed: list[str], world: World, sales: Caller
) -> None:
    with acting_as(Role.SUPERUSER):
        row = make_client(name, world.users["sales"], first_name="Zz", last_name="Zz", email="zz@zz.example")

    def is_found(text: str) -> bool:
        return row.pk in [item["id"] for item in sales.get(API + "clients/", {"search": text}).json()["results"]]

    assert [text for text in found if not is_found(text)] == []
    assert [text for text in missed if is_found(text)] == []


PHONE, MOBILE = "+33199001234", "+74951234567"
NUMBERS = [
    "+33199001234", "0033199001234", "33199001234", "+33 1 99 00 12 34", "+33 (0)1 99 00 12 34", "01 99 00 12 34",
    "01.99.00.12.34", "01-99-00-12-34", "0199001234", "(01) 99 00 12 34", "199001234", "001234", "٠١٩٩٠٠١٢٣٤",
    "8 (495) 123-45-67", "+7 495 1234567",
]  # fmt: skip
OTHER_NUMBERS = ["+33199001235", "0299001234", "+49199001234", "33 2 99 00 12 34", "199001", "+7 499 123 45 67"]


@pytest.fixture
def reachable(world: World) -> World:
    with acting_as(Role.SUPERUSER):
        Client.objects.filter(pk=world.own_client.pk).update(phone=PHONE, mobile=MOBILE)
        Client.objects.filter(pk=world.other_client.pk).update(phone="+33199001299", mobile="")
    return world


@pytest.mark.parametrize("parameter", ["phone", "search"])
def test_a_client_is_found_by_a_number_in_any_spelling(parameter: str, reachable: World, sales: Caller) -> None:
    def found(number: str) -> list[int]:
        response = sales.get(API + "clients/", {parameter: number})
        assert response.status_code == 200, response.content
        return [row["id"] for row in response.json()["results"]]

    assert [number for number in NUMBERS if found(number) != [reachable.own_client.pk]] == []
    assert [number for number in OTHER_NUMBERS if found(number)] == []


def test_a_search_takes_a_number_beside_a_name(reachable: World, sales: Caller) -> None:
    for text, count in (("own 01 99 00 12 34", 1), ("01 99 00 12 34 own", 1), ("other 01 99 00 12 34", 0)):
        assert len(sales.get(API + "clients/", {"search": text}).json()["results"]) == count, text


def test_nobody_finds_a_client_by_a_number_that_is_masked(reachable: World, auditor: Caller) -> None:
    assert auditor.get(f"{API}clients/{reachable.own_client.pk}/").json()["phone"] == "***34"
    for number in NUMBERS:
        assert auditor.get(API + "clients/", {"search": number}).json()["results"] == [], number
    response = auditor.get(API + "clients/", {"phone": PHONE})
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (400, "?phone")
    assert "phone" not in response.json()["errors"][0]["detail"].split("Known:")[1]


def test_a_partner_finds_no_other_client_by_its_number(reachable: World, partner: Caller) -> None:
    assert len(partner.get(API + "clients/", {"search": PHONE}).json()["results"]) == 1
    for parameter in ("phone", "search"):
        assert partner.get(API + "clients/", {parameter: "+33199001299"}).json()["results"] == []


def test_a_contract_is_not_found_by_a_number(reachable: World, sales: Caller) -> None:
    assert sales.get(API + "contracts/", {"search": PHONE}).json()["results"] == []
    assert len(sales.get(API + "contracts/", {"search": "own company"}).json()["results"]) == 2


@pytest.mark.parametrize("number", ["12345", "call me", "0199 00 12 34 x5", "1" * 21, "+"])
def test_a_text_that_is_no_number_is_refused_with_an_example(number: str, world: World, sales: Caller) -> None:
    error = sales.get(API + "clients/", {"phone": number}).json()["errors"][0]
    assert (error["pointer"], "%2B33199001234" in error["detail"]) == ("?phone", True)


def test_a_search_for_too_many_words_is_refused(world: World, sales: Caller) -> None:
    assert sales.get(API + "clients/", {"search": "a b c d e f g h"}).status_code == 200
    assert sales.get(API + "clients/", {"search": "हिन्दी " * 8}).status_code == 200
    for text in ("a b c d e f g h i", "a-b-c-d-e-f-g-h-i"):
        error = sales.get(API + "clients/", {"search": text}).json()["errors"][0]
        assert (error["pointer"], error["detail"]) == ("?search", "Search for 8 words at most: these are 9.")


def test_each_word_counts(world: World, sales: Caller) -> None:
    assert len(sales.get(API + "clients/", {"search": "own company ann doe own example"}).json()["results"]) == 1
    assert sales.get(API + "clients/", {"search": "own company ann doe own examplex"}).json()["results"] == []


def test_lists_are_in_the_order_of_a_dictionary(world: World, sales: Caller) -> None:
    names = ["apple", "ÀBientôt", "Banana", "Échos", "éclair", "Zoo"]
    ordered = ["ÀBientôt", "apple", "Banana", "Échos", "éclair", "Zoo"]
    with acting_as(Role.SUPERUSER):
        for place, name in enumerate(names):
            client = make_client(name, world.users["sales"], last_name=name, email=f"{place}@order.example")
            make_event(make_contract(client, name, signed=True), name, None)
    for ordering in ("company_name", "last_name"):
        assert walked(sales, "clients", ordering, names) == ordered
        assert walked(sales, "clients", f"-{ordering}", names) == ordered[::-1]
    for collection in ("contracts", "events"):
        assert walked(sales, collection, "name", names) == ordered


def walked(caller: Caller, collection: str, ordering: str, among: list[str]) -> list[str]:
    """The names in pages of two."""
    found, address = [], f"{API}{collection}/?page_size=2&ordering={ordering}"
    while address:
        page = caller.get(address).json()
        found += [row.get("company_name") or row["name"] for row in page["results"]]
        address = page["next"]
    return [name for name in found if name in among]


def test_a_name_without_letters_has_its_place_too(world: World, sales: Caller) -> None:
    with acting_as(Role.SUPERUSER):
        for place in range(3):
            make_client("★★★", world.users["sales"], email=f"{place}@star.example")
    assert walked(sales, "clients", "company_name", ["★★★", "Own Company"]) == ["★★★"] * 3 + ["Own Company"]


@pytest.mark.parametrize("name", ["échos d'été", "ECHOS D’ETE", "Échos d'Été"])
def test_a_filter_by_a_name_ignores_case_and_accents(name: str, world: World, sales: Caller) -> None:
    with acting_as(Role.SUPERUSER):
        client = make_client("Échos d'été", world.users["sales"], status="client", email="e@echo.example")
        make_client("Échos d'été 2", world.users["sales"], email="e2@echo.example")
        make_contract(client, "Gala")
    assert [row["id"] for row in sales.get(API + "clients/", {"company_name": name}).json()["results"]] == [client.pk]
    assert len(sales.get(API + "contracts/", {"client_company_name": name}).json()["results"]) == 1


@pytest.mark.parametrize(
    "text",
    ["\0", "a\0b", "\u200b", "\x01", "'", "\\", "''\\'", ":*", "!", "( ) | &", "<->", "\ufffd", "+", "@", "@own"],
)
def test_no_search_is_an_error(text: str, world: World, sales: Caller) -> None:
    assert sales.get(API + "clients/", {"search": text}).status_code == 200


@pytest.mark.parametrize("text", ["ecole pierre", "ÉCOLE", "01 99 00 77 66"])
def test_the_site_searches_in_the_same_way(text: str, world: World) -> None:
    with acting_as(Role.SUPERUSER):
        client = make_client(
            "École", world.users["sales"], last_name="Jean-Pierre", email="e@ecole.example", phone="+33199007766"
        )
        make_contract(make_client("Écluse", world.users["sales"], email="e@ecluse.example"), "Gala")
    found = {}
    for name in ("management", "auditor"):
        browser = Visitor()
        browser.force_login(world.users[name])
        page = browser.get("/hidden-admin/clients/client/", {"q": text}).content.decode()
        found[name] = (f"/clients/client/{client.pk}/" in page, "Écluse" in page)
    assert found == {"management": (True, False), "auditor": (not text[0].isdigit(), False)}
