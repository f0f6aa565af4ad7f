"""One mailbox is one client, however its address is spelt; people's names are names."""

from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from access.database import acting_as, enter, leave
from access.policy import Role
from accounts.tests.people import newcomer
from clients.tests.lists import ROW, lines, newest
from conftest import API, Caller, Visitor, World, make_client, make_contract, make_event

LIST = API + "clients/"
BODY = {"company_name": "Lumière", "first_name": "Léa", "last_name": "Bloom"}
STORED = "lea.sand@xn--lumire-6ua.example"
SPELLINGS = [
    "lea.sand@lumière.example",
    "lea.sand@lumie\u0300re.example",
    "LEA.Sand@LUMIÈRE.example",
    "lea.sand@xn--lumire-6ua.example",
    "lea.sand@XN--LUMIRE-6UA.EXAMPLE",
    "ｌｅａ．ｓａｎｄ＠ｌｕｍｉèｒｅ．ｅｘａｍｐｌｅ",
    "lea.\u017fand@lumière.example",
    "lea.sand@lumière。example",
    "  lea.sand@lumière.example\u200b",
]


@pytest.mark.parametrize("spelling", ["lea@[::1]", "lea@[0:0:0:0:0:0:0:1]", "LEA@[::0:1]", "lea@[0::0001]"])
def test_a_number_in_place_of_a_domain_has_one_spelling(spelling: str, world: World, sales: Caller) -> None:
    assert sales.post(LIST, BODY | {"email": "lea@[0::1]"}).json()["email"] == "lea@[::1]"
    again = sales.post(LIST, BODY | {"email": spelling})
    assert (again.status_code, again.json()["rule"]) == (409, "client_email_unique")


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("first", SPELLINGS[::3])
def test_two_spellings_are_one_client(first: str, spelling: str, world: World, sales: Caller) -> None:
    made = sales.post(LIST, BODY | {"email": first})
    assert (made.status_code, made.json()["email"].lower()) == (201, STORED)
    again = sales.post(LIST, BODY | {"email": spelling})
    assert (again.status_code, again.json()["rule"]) == (409, "client_email_unique")
    other = sales.post(LIST, BODY | {"email": "other@own.example"}).json()
    moved = sales.patch(other["url"], {"email": spelling})
    assert (moved.status_code, moved.json()["rule"]) == (409, "client_email_unique")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_finds_it(spelling: str, world: World, sales: Caller) -> None:
    with acting_as(Role.SUPERUSER):
        client = make_client("Lumière", world.users["sales"], email=SPELLINGS[0])
        contract = make_contract(client, "Gala", signed=True)
        event = make_event(contract, "Party", None)
    for path, parameter, key in (
        ("clients/", "email", client.pk), ("clients/", "search", client.pk),
        ("contracts/", "client_email", contract.pk), ("events/", "client_email", event.pk),
    ):  # fmt: skip
        found = sales.get(API + path, {parameter: spelling}).json()["results"]
        assert [row["id"] for row in found] == [key], (path, parameter)


def test_the_site_finds_it_by_every_spelling(world: World) -> None:
    with acting_as(Role.SUPERUSER):
        make_client("Lumière", world.users["sales"], email=SPELLINGS[0])
    browser = Visitor()
    browser.force_login(world.users["management"])
    for spelling in SPELLINGS:
        page = browser.get("/hidden-admin/clients/client/", {"q": spelling}).content.decode()
        assert STORED in page, spelling


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_import_leaves_every_spelling_alone(spelling: str, import_: Any) -> None:
    row = "Lumière,Léa,Sand,{},,,"
    import_(lines(row.format(SPELLINGS[0])))
    said = import_(lines(ROW, row.format(spelling)))
    assert "1 row left alone" in said, said
    assert newest("email") == ("ingrid@nordlys.example",)


@pytest.mark.parametrize(
    ("domain", "wire"),
    [
        ("ΟΔΟΣ-24.example", "xn---24-zxc8cb2a.example"),
        ("ΟΔΟΣ.example", "xn--pxavbq.example"),
        ("οδος.example", "xn--pxavbm.example"),
        ("STRASSE.example", "strasse.example"),
        ("Straße.example", "xn--strae-oqa.example"),
    ],
)
def test_a_domain_is_what_idna_makes_of_it(domain: str, wire: str, world: World, sales: Caller) -> None:
    """In Python, lower case has a letter that IDNA keeps apart: a Σ at the end of a word."""
    assert sales.post(LIST, BODY | {"email": f"x@{domain}"}).json()["email"] == f"x@{wire}"


@pytest.mark.parametrize(
    ("email", "words"),
    [
        ("a\u200bb@own.example", "characters that nobody sees"),
        ("a@own\u00adx.example", "characters that nobody sees"),
        ("a\u202eb@own.example", "characters that nobody sees"),
        ("x" * 65 + "@own.example", "at most 64 characters"),
        ("\u0131@own.example", "plain letters"),
        ("a@xn--a.example", "valid (IDNA)"),
        ("a@\U0001f4a9.example", "valid"),
        ('"dup1"@own.example', "without quotation marks"),
        ("\uff02dup1\uff02@own.example", "without quotation marks"),
        ('"a b"@own.example', "without quotation marks"),
        ("no address", "valid email address"),
        ("@own.example", "valid email address"),
    ],
)
def test_an_address_that_is_none_is_told(email: str, words: str, world: World, sales: Caller) -> None:
    errors = sales.post(LIST, BODY | {"email": email}).json()["errors"]
    assert {error["pointer"] for error in errors} == {"#/email"}
    assert any(words in error["detail"] for error in errors), errors


def test_the_longest_address_is_one(world: World, sales: Caller) -> None:
    assert sales.post(LIST, BODY | {"email": "x" * 64 + "@own.example"}).status_code == 201


OTHER_FORMS = [
    *SPELLINGS[:3], SPELLINGS[4], *SPELLINGS[5:], "a b\u0301@own.example", "@own.example", "x" * 65 + "@a.example", '"dup1"@own.example',
    "a@b@own.example", "a@own.example\nx",
]  # fmt: skip


@pytest.mark.parametrize("role", [Role.SALES, Role.MANAGEMENT, Role.SUPERUSER])
@pytest.mark.parametrize("email", OTHER_FORMS)
def test_sql_writes_no_other_form(email: str, role: Role, world: World) -> None:
    """Of its own form there is one, ignoring case: the constraint leaves no second spelling to raw SQL."""
    with pytest.raises(DatabaseError, match="client_email_form"), transaction.atomic():
        enter(role, user_id=world.users["sales"].pk)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE clients_client SET email = %s WHERE id = %s", [email, world.own_client.pk])


@pytest.mark.parametrize("email", OTHER_FORMS)
@pytest.mark.parametrize("table", ["accounts_user", "accounts_addresschange"])
def test_nor_for_an_account_or_an_address_that_waits(table: str, email: str, world: World) -> None:
    user = newcomer()
    with pytest.raises(DatabaseError, match="user_email_form|address_change_form") as refusal, transaction.atomic():
        if table == "accounts_user":
            enter(Role.MANAGEMENT, user_id=world.users["management"].pk)
            statement = "UPDATE accounts_user SET email = %s WHERE id = %s"
        else:
            leave(user_id=user.pk)
            statement = "INSERT INTO accounts_addresschange (address, user_id) VALUES (%s, %s)"
        with connection.cursor() as cursor:
            cursor.execute(statement, [email, user.pk])
    assert table in str(refusal.value)


def test_nor_for_the_address_of_an_account_in_use(world: World) -> None:
    with pytest.raises(DatabaseError, match="user_email_form|address_change_form"), acting_as(Role.MANAGEMENT):
        with connection.cursor() as cursor:
            cursor.execute("UPDATE accounts_user SET email = %s WHERE username = 'sales'", ["sales@epic.exampl\u00e9"])


# Names of people


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("  Léa ", "Léa"),
        ("Le\u0301a", "Léa"),
        ("\u200bLéa\u200e\ufeff", "Léa"),
        ("Léa\u00a0 Marie", "Léa Marie"),
        ("J.R.R.", "J.R.R."),
        ("@Zoe", "@Zoe"),
        ("O’Neil-D'Arcy, Jr.", "O’Neil-D'Arcy, Jr."),
        ("Raju a/l Gopal", "Raju a/l Gopal"),
        ("李小龍", "李小龍"),
        ("J.-P. St.-Pierre", "J.-P. St.-Pierre"),
        ("के. आर. नारायणन", "के. आर. नारायणन"),
        ("محمد", "محمد"),
    ],
)
def test_a_name_is_stored_in_one_spelling(typed: str, stored: str, world: World, sales: Caller) -> None:
    answer = sales.patch(f"{LIST}{world.own_client.pk}/", {"first_name": typed})
    assert (answer.status_code, answer.json()["first_name"]) == (200, stored)


NO_NAMES = [
    ("Léa\nBloom", "characters that nobody sees"),
    ("Léa\u202eBloom", "characters that nobody sees"),
    ("Lé\u200ba", "characters that nobody sees"),
    ("Lé\u3164a", "characters that nobody sees"),
    ("Lé\U000e0041a", "characters that nobody sees"),
    ("http://evil.example", "no web or email address"),
    ("ftp://x", "no web or email address"),
    ("WWW.evil", "no web or email address"),
    ("www.x", "no web or email address"),
    ("evil.co", "no web or email address"),
    ("win at evil.example/now", "no web or email address"),
    ("evil。example", "no web or email address"),
    ("boss@evil", "no web or email address"),
    ("evil\u2024com", "no web or email address"),
    ("evil\ufe52com", "no web or email address"),
    ("evil\uff61com", "no web or email address"),
    ("x\uff20x", "no web or email address"),
    ("x\ufe6bx", "no web or email address"),
    ("http:\uff0f\uff0fevil", "no web or email address"),
    ("//evil", "no web or email address"),
    ("MAILTO:x", "no web or email address"),
    ("tel:+331234", "no web or email address"),
    ("\u2121:+331234", "no web or email address"),
    ("sms:331234", "no web or email address"),
    ("bank.भारत", "no web or email address"),
    ("हिन्दी.com", "no web or email address"),
    ("i❤.ws", "no web or email address"),
    ("bank⃣.com", "no web or email address"),
    ("bank.🏦🏦", "no web or email address"),
    ("paypal.\u0301com", "no web or email address"),
    ("8.8.8.8", "no web or email address"),
    ("http:\uff3c\uff3cx", "no web or email address"),
    ("http:x", "no web or email address"),
]


@pytest.mark.parametrize(("name", "words"), NO_NAMES)
@pytest.mark.parametrize("field", ["first_name", "last_name"])
def test_what_is_no_name_is_told(field: str, name: str, words: str, world: World, sales: Caller) -> None:
    for answer in (
        sales.patch(f"{LIST}{world.own_client.pk}/", {field: name}), sales.patch(API + "users/me/", {field: name})
    ):  # fmt: skip
        (error,) = answer.json()["errors"]
        assert (answer.status_code, error["pointer"]) == (400, f"#/{field}")
        assert words in error["detail"]


@pytest.mark.parametrize(
    ("field", "sign", "rest", "most"), [("last_name", "e\u0301", "", 150), ("email", " ", "lea@own.example", 254)]
)
def test_no_body_holds_more_characters_than_the_document_declares(
    field: str, sign: str, rest: str, most: int, world: World, sales: Caller
) -> None:
    """Though fewer would be stored."""
    fits = (sign * most)[: most - len(rest)] + rest
    assert len(fits) == most
    assert sales.patch(f"{LIST}{world.own_client.pk}/", {field: fits}).status_code == 200
    (error,) = sales.patch(f"{LIST}{world.own_client.pk}/", {field: sign + fits}).json()["errors"]
    assert (error["pointer"], error["code"]) == (f"#/{field}", "max_length")


@pytest.mark.parametrize("typed", ["\u200b", " \u200e\u3164 ", "\ufeff"])
def test_a_name_of_nothing_but_invisible_characters_is_empty(typed: str, world: World, sales: Caller) -> None:
    (error,) = sales.patch(f"{LIST}{world.own_client.pk}/", {"first_name": typed}).json()["errors"]
    assert error["code"] == "blank"
    assert sales.patch(API + "users/me/", {"first_name": typed}).json()["first_name"] == ""


@pytest.mark.parametrize(("name", "words"), NO_NAMES[1:])
def test_an_import_tells_what_is_no_name(name: str, words: str, refused: Any) -> None:
    assert words in refused(lines(ROW.replace("Ingrid", name)))


@pytest.mark.parametrize("name", [*(name for name, _ in NO_NAMES), "Le\u0301a", " Léa", "Léa "])
@pytest.mark.parametrize("table", ["clients_client", "accounts_user"])
@pytest.mark.parametrize("field", ["first_name", "last_name"])
def test_sql_writes_no_other_names(field: str, table: str, name: str, world: World) -> None:
    with pytest.raises(DatabaseError, match="_plain"), transaction.atomic():
        enter(Role.SUPERUSER)
        with connection.cursor() as cursor:
            cursor.execute(f"UPDATE {table} SET {field} = %s", [name])


# One of each group: controls, marks of direction, joiners, variation selectors, fillers, tags, private use, blanks.
UNSEEN = (
    "\x01\n\x1f\x7f\x85\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b\u180e\u200b\u200d\u200f\u2028\u2029\u202e"
    "\u2060\u2069\u206f\u2800\u3164\ufe00\ufe0f\ufeff\uffa0\ufff0\ufffb\ufffe\uffff\U000e0001\U000e0fff"
    "\ue000\uf8ff\U000f0000\U0010ffff\U00013441\U00013442\U00016fe4\U0001bca0\U0001d159\U0001d173"
)


@pytest.mark.parametrize("field", ["first_name", "last_name"])
def test_no_sign_that_nobody_sees_is_in_a_name(field: str, world: World, sales: Caller) -> None:
    for sign in UNSEEN:
        answer = sales.patch(f"{LIST}{world.own_client.pk}/", {field: f"Lé{sign}a"})
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "invisible_characters"), hex(ord(sign))
        for table in ("clients_client", "accounts_user"):
            with pytest.raises(DatabaseError, match="_plain"), acting_as(Role.SUPERUSER), connection.cursor() as cursor:
                cursor.execute(f"UPDATE {table} SET {field} = %s", [f"Lé{sign}a"])


def test_no_sign_that_nobody_sees_is_in_the_name_of_a_group(world: World) -> None:
    for sign in UNSEEN:
        with pytest.raises(DatabaseError) as refusal, acting_as(Role.SUPERUSER), connection.cursor() as cursor:
            cursor.execute("INSERT INTO auth_group (name) VALUES (%s)", [f"P{sign}I"])
        assert refusal.value.__cause__.diag.constraint_name == "group_name_plain", hex(ord(sign))


def test_an_import_stores_a_company_in_one_spelling(import_: Any, refused: Any) -> None:
    assert "blank" in refused(lines(ROW.replace("Nordlys", "\u200b\u3164")))
    assert "characters that nobody sees" in refused(lines(ROW.replace("Nordlys", "Nord\u202elys")))
    import_(lines(ROW.replace("Nordlys", "\ufeff No\u0308rd\u00a0 lys\u200b")))
    assert newest("company_name") == ("Nörd lys",)
