"""`manage.py import_clients`: somebody's list of companies becomes prospects, all or none."""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from access.database import acting_as
from access.policy import Role
from accounts.models import User
from clients.importing.phones import UnreadablePhone, read_phone
from clients.models import Client
from config.environment import ROOT
from conftest import API

REAL_LIST = Path(__file__).parent / "data" / "customers-1000.csv"
LONGER_LIST = ROOT.parent / "shared" / "data" / "customers-10000.csv"
HEADER = "Company,First name,Last name,Email,Phone,Mobile,Country"
ROW = "Nordlys,Ingrid,Solberg,ingrid@nordlys.example,22 12 34 56,,Norway"


@pytest.fixture
def import_(world, tmp_path):
    """Imports a file, or the text of one, for the user *sales*; what was printed comes back."""

    def run(source, *options, sales_contact="sales"):
        path = source if isinstance(source, Path) else tmp_path / "list.csv"
        if isinstance(source, str):
            path.write_bytes(source.encode())
        elif isinstance(source, bytes):
            path.write_bytes(source)
        output = io.StringIO()
        call_command(
            "import_clients", str(path), f"--sales-contact={sales_contact}", "--verbosity=0", *options, stdout=output
        )
        return output.getvalue()

    return run


@pytest.fixture
def refused(import_):
    """The sentences with which an import is refused, after which nothing has changed."""

    def run(source, *options, **more):
        before = stored()
        with pytest.raises(CommandError) as refusal:
            import_(source, *options, **more)
        assert stored() == before
        assert refusal.value.returncode == 1
        return str(refusal.value)

    return run


def stored(*fields):
    with acting_as(Role.SUPERUSER):
        return list(Client.objects.order_by("pk").values_list(*(fields or ("pk", "email", "version"))))


def newest(*fields):
    return stored(*fields)[-1]


def lines(*rows, header=HEADER):
    return "\n".join([header, *rows, ""])


# --- a real list


def test_a_dry_run_checks_a_real_list_and_changes_nothing(import_):
    before = stored()
    said = import_(REAL_LIST, "--lenient-phones", "--dry-run")
    assert stored() == before
    assert "Read 1,001 rows, in utf-8 with commas." in said
    assert "Ignored columns: 'Index', 'Customer Id', 'City', 'Subscription Date', 'Website'." in said
    assert "1,000 prospects would be imported for sales." in said
    assert "This was a dry run: nothing was changed." in said


def test_a_real_list_becomes_prospects_of_the_sales_contact_and_a_second_run_changes_nothing(import_, world):
    said = import_(REAL_LIST, "--lenient-phones")
    assert "1,000 prospects imported for sales." in said
    assert (
        "1 row left alone, because a row above has the same email address:\n  line 1003: owarner@velasquez.info" in said
    )
    assert "1,670 phone numbers left out:\n  line 2, column 'Phone 1': '846-790-4623x4715'" in said
    assert "… and 1,665 more." in said
    assert "238 phone extensions dropped" in said
    after = stored()
    assert len(after) == 1_002
    assert set(stored("status", "sales_contact")[2:]) == {("prospect", world.users["sales"].pk)}

    said = import_(REAL_LIST, "--lenient-phones")
    assert stored() == after
    assert "0 prospects imported for sales.\n1,001 rows left alone, because the client exists already:" in said
    assert "left out" not in said


def test_a_thousand_rows_take_few_statements(import_, django_assert_max_num_queries):
    # Twice a transaction (two savepoints here) with its role in and out, the two questions, and the rows.
    with django_assert_max_num_queries(11):
        import_(REAL_LIST, "--lenient-phones")


@pytest.mark.skipif(not LONGER_LIST.exists(), reason="the longer list isn't here")
def test_ten_thousand_rows_take_few_statements(import_, django_assert_max_num_queries):
    with django_assert_max_num_queries(15):
        assert "10,000 prospects imported" in import_(LONGER_LIST, "--lenient-phones")
    assert len(stored()) == 10_002


def test_phones_that_cannot_be_right_refuse_a_list_by_line_and_column(refused):
    said = refused(REAL_LIST)
    assert said.startswith("Nothing was imported, because of 1,672 problems:\n")
    assert "line 2, column 'Phone 1': '846-790-4623x4715' isn't a valid phone number of Macao." in said
    assert said.endswith("\nand 1,622 more problems.")
    assert len(said.splitlines()) == 52


# --- files as programs write them


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_the_encoding_is_found_out(import_, encoding):
    text = lines(
        "Hôtel de la Forêt;Zoé;Lefèvre;zoe@foret.example;01 99 00 12 34;;France", header=HEADER.replace(",", ";")
    )
    import_(text.encode(encoding))
    assert newest("company_name", "first_name", "phone") == ("Hôtel de la Forêt", "Zoé", "+33199001234")


def test_english_in_utf_16_without_its_mark_does_not_pass_for_utf_8(import_):
    import_(lines(ROW).encode("utf-16-le"))
    assert newest("company_name") == ("Nordlys",)


def test_an_encoding_that_cannot_be_found_out_is_named(import_):
    import_(lines("Żubr,Stanisław,Gwóźdź,s@zubr.example,,,").encode("cp1250"), "--encoding=cp1250")
    assert newest("company_name", "last_name") == ("Żubr", "Gwóźdź")


@pytest.mark.parametrize(("delimiter", "words"), [(",", "commas"), (";", "semicolons"), ("\t", "tabs"), ("|", "pipes")])
def test_the_delimiter_is_found_out(import_, delimiter, words):
    said = import_(lines(ROW.replace(",", delimiter), header=HEADER.replace(",", delimiter)))
    assert f"with {words}." in said
    assert newest("company_name", "phone") == ("Nordlys", "+4722123456")


@pytest.mark.parametrize(("delimiter", "option"), [("~", "~"), ("\t", "tab")])
def test_a_delimiter_is_named(import_, delimiter, option):
    import_(lines(ROW.replace(",", delimiter), header=HEADER.replace(",", delimiter)), f"--delimiter={option}")
    assert newest("email") == ("ingrid@nordlys.example",)


def test_quoted_cells_may_hold_delimiters_and_line_breaks(refused):
    row = '"Nordlys, ""North"" Lights","Ingrid\nMarie",Solberg,ingrid@nordlys.example,,,'
    said = refused(lines(row, ROW.replace("ingrid@nordlys.example", "no address")))
    assert said.splitlines()[1:] == ["line 4, column 'Email': Enter a valid email address."]


def test_blank_rows_are_no_rows(import_):
    assert "Read 1 row, in utf-8" in import_(lines("", ROW, ",,,,,,", "  "))


# --- columns


def test_french_titles_and_countries_are_understood(import_):
    header = "Raison sociale;Prénom;Nom;Adresse e-mail;Tél.;Portable;Pays"
    import_(lines("Lichtwerk;Lena;Hoffmann;lena@lichtwerk.example;030 23125 001;;Allemagne", header=header))
    assert newest("company_name", "first_name", "last_name", "phone") == (
        "Lichtwerk",
        "Lena",
        "Hoffmann",
        "+493023125001",
    )


def test_columns_are_named_where_their_titles_say_nothing(import_):
    header = "Qui,PRENOM,nom de famille,Courriel pro,Courriel,Note"
    row = "Fontaine,Claire,Fontaine,claire@fontaine.example,private@claire.example,VIP"
    said = import_(lines(row, header=header), "--column=company_name=Qui", "--column=email=courriel PRO")
    assert newest("company_name", "email") == ("Fontaine", "claire@fontaine.example")
    assert said.count("Ignored columns: 'Courriel', 'Note'.") == 1


def test_a_missing_column_is_told_with_what_was_found_and_how_to_name_it(refused):
    said = refused(lines("Nordlys,Ingrid", header="Company,Vorname"))
    assert said == (
        "No column was recognised for first_name, last_name, email. The file has: 'Company', 'Vorname'."
        " Say which column it is, as in --column first_name='Its title'."
    )


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--column=email=Mailbox", "There is no column 'Mailbox' for email. The file has: 'Company', 'First name',"),
        ("--column=sales_contact=Company", "--column sales_contact=Company: write FIELD=TITLE, where FIELD is one of"),
        ("--column=email", "--column email: write FIELD=TITLE"),
        ("--country=Atlantis", "--country Atlantis: this isn't a country that is known here."),
        ("--delimiter=,,", "--delimiter ,,: write one character, or tab."),
        ("--encoding=ascii", "isn't encoded in ascii: name another with --encoding, or none."),
        ("--encoding=klingon", "'klingon' isn't an encoding of text"),
        ("--encoding=base64", "'base64' isn't an encoding of text"),
    ],
)
def test_an_option_that_makes_no_sense_is_told(refused, option, sentence):
    assert sentence in refused(lines(ROW.replace("Nordlys", "Nordlýs")), option)


def test_two_columns_of_one_title_are_ambiguous(refused):
    assert "2 columns are called 'Email'" in refused(lines(ROW, header=HEADER.replace("Phone", "Email")))


# --- rows


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (",Ingrid,Solberg,i@nordlys.example,,,", "column 'Company': This field cannot be blank."),
        ("Nordlys, ,Solberg,i@nordlys.example,,,", "column 'First name': This field cannot be blank."),
        ("Nordlys,Ingrid,,i@nordlys.example,,,", "column 'Last name': This field cannot be blank."),
        ("Nordlys,Ingrid,Solberg,,,,", "column 'Email': This field cannot be blank."),
        ("Nordlys,Ingrid,Solberg,i at nordlys,,,", "column 'Email': Enter a valid email address."),
        (
            f"{'N' * 201},Ingrid,Solberg,i@nordlys.example,,,",
            "column 'Company': Ensure this value has at most 200 characters",
        ),
        (
            "Nord\0lys,Ingrid,Solberg,i@nordlys.example,,,",
            "column 'Company': It contains a NUL character, which no text has.",
        ),
        ("Nordlys,Ingrid,Solberg,i@nordlys.example,,", "it has 6 fields, but the header has 7."),
        ("Nordlys,Ingrid,Solberg,i@nordlys.example,,,,", "it has 8 fields, but the header has 7."),
        (
            "Nordlys,Ingrid,Solberg,i@nordlys.example,12,,Norway",
            "column 'Phone': '12' isn't a valid phone number of Norway.",
        ),
        (
            "Nordlys,Ingrid,Solberg,i@nordlys.example,,ring me,Norway",
            "column 'Mobile': 'ring me' isn't a phone number.",
        ),
        (
            "Nordlys,Ingrid,Solberg,i@nordlys.example,22 12 34 56,,",
            "column 'Phone': '22 12 34 56' can't be read without a country",
        ),
        (
            "Nordlys,Ingrid,Solberg,i@nordlys.example,22 12 34 56,,Narnia",
            "because 'Narnia' isn't a country with phone numbers",
        ),
    ],
)
def test_one_bad_row_refuses_all_of_them_by_line_and_column(refused, row, problem):
    said = refused(lines(ROW, row))
    assert said.startswith("Nothing was imported, because of 1 problem:\nline 3")
    assert problem in said


def test_every_problem_of_a_row_is_told(refused):
    said = refused(lines("Nordlys,,Solberg,nobody,12,13,Norway"))
    assert said.startswith("Nothing was imported, because of 4 problems:")


def test_the_rest_of_a_row_is_checked_where_phones_are_left_out(refused):
    assert "because of 1 problem:\nline 2, column 'Email'" in refused(
        lines("A,B,C,nobody,12,,Norway"), "--lenient-phones"
    )


def test_clients_that_exist_and_repeats_are_left_alone_whatever_their_case(import_, world):
    known = world.own_client.email.upper()
    said = import_(lines(f"Renamed,A,B,{known},,,", ROW, ROW.replace("ingrid@", "INGRID@").replace("Nordlys", "Again")))
    assert [name for (name,) in stored("company_name")] == ["Own Company", "Other Company", "Nordlys"]
    assert f"1 row left alone, because the client exists already:\n  line 2: {known}" in said
    assert "1 row left alone, because a row above has the same email address:\n  line 4: INGRID@nordlys.example" in said


def test_what_the_database_alone_knows_is_told_too(import_, refused):
    # Its small letter for a Σ that ends a word isn't Python's.
    row = "Odos,Eleni,Georgiou,eleni@ΟΔΟΣ-1.example,,,"
    import_(lines(row))
    assert refused(lines(ROW, row)) == "Nothing was imported. A client with this email address exists already."


# --- phones


@pytest.mark.parametrize(
    ("text", "country", "number"),
    [
        ("22 12 34 56", "Norway", "+4722123456"),
        ("22123456x1234", "NO", "+4722123456"),
        ("(020) 7946-0123 ext. 9", "United Kingdom", "+442079460123"),
        ("0033 1 99 00 12 34", "United States of America", "+33199001234"),
        ("+33 (0)1 99 00 12 34", "Atlantis", "+33199001234"),
        ("02-312-3456", "Korea", "+8223123456"),
        ("022 123 45 67", "Slovakia (Slovak Republic)", "+421221234567"),
        ("021 234 5678", "Libyan Arab Jamahiriya", "+218212345678"),
    ],
)
def test_a_phone_is_read_with_its_country(import_, text, country, number):
    import_(lines(f"Nordlys,Ingrid,Solberg,i@nordlys.example,{text},,{country}"))
    assert newest("phone") == (number,)


def test_a_country_for_all_rows_without_one(import_):
    import_(lines(ROW.replace("Norway", "")), "--country=norvège")
    assert newest("phone") == ("+4722123456",)


@pytest.mark.parametrize(
    "number", ["+33199001234", "+3319900123", "+447700900123", "+4722123456", "+999123456789", "+1-555-0100"]
)
def test_a_phone_is_valid_here_exactly_where_it_is_in_the_api(sales, world, number):
    try:
        read_phone(number, "")
        is_valid = True
    except UnreadablePhone:
        is_valid = False
    response = sales.patch(f"{API}clients/{world.own_client.pk}/", {"phone": number})
    assert (response.status_code == 200) is is_valid


# --- refusals as a whole


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty."),
        (b"\xef\xbb\xbf\r\n", "is empty."),
        (
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0\xff\xd9\x8d\x81\x9d" * 40,
            "isn't text in an encoding that can be found out.",
        ),
        (b'"Company,Email\n', "Line 1 can't be read as CSV (unexpected end of data)"),
        (b'Company,Email\n"open,a@b.example\n', "Line 2 can't be read as CSV (unexpected end of data)"),
        (b"Company\n" + b"x" * 200_000, "Line 2 can't be read as CSV (field larger than field limit (131072))"),
    ],
)
def test_a_file_that_is_no_list_is_told(refused, content, sentence):
    assert sentence in refused(content)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "is a directory: name a file."),
        ("missing.csv", "doesn't exist."),
        ("x" * 300, "can't be read: File name too long."),
    ],
)
def test_a_path_that_is_no_file_is_told(refused, tmp_path, name, sentence):
    assert refused(tmp_path / name).endswith(sentence)


@pytest.mark.parametrize("username", ["support", "management", "superuser", "retired", "nobody"])
def test_prospects_are_given_to_active_sales_users_only(refused, world, username):
    with acting_as(Role.SUPERUSER):
        User.objects.create(username="retired", role=Role.SALES, is_active=False)
    assert refused(lines(ROW), sales_contact=username) == (
        f"'{username}' isn't an active sales user: name one with --sales-contact."
    )
