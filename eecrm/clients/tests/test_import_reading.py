"""`manage.py import_clients` reads what people have: any encoding, any delimiter, any titles."""

import pytest

from clients.tests.lists import HEADER, ROW, lines, newest

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
