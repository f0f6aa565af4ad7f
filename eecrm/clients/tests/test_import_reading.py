"""`manage.py import_clients` reads what people have: any titles, and what no option can mean is told."""

import pytest

from clients.tests.lists import HEADER, ROW, lines, newest

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
    assert "Unused columns: 'Courriel' (1 value), 'Note' (1 value)." in said.splitlines()


def test_a_column_of_whole_names_is_named(import_):
    import_(
        lines("Fontaine,Claire Fontaine,claire@fontaine.example", header="Company,Qui,Email"), "--column=full_name=Qui"
    )
    assert newest("first_name", "last_name") == ("Claire", "Fontaine")


def test_a_missing_column_is_told_with_what_was_found_and_how_to_name_it(refused):
    said = refused(lines("Nordlys,Ingrid", header="Company,Vorname"))
    assert said == (
        "No column was recognised for first_name, last_name, email. The file has: 'Company', 'Vorname'."
        " Say which column it is, as in --column first_name='Its title'."
    )


@pytest.mark.parametrize(("delimiter", "option"), [("~", "~"), ("\t", "tab")])
def test_a_delimiter_is_named(import_, delimiter, option):
    said = import_(lines(ROW.replace(",", delimiter), header=HEADER.replace(",", delimiter)), f"--delimiter={option}")
    assert "Read 1 row, in utf-8 with" in said
    assert newest("email") == ("ingrid@nordlys.example",)


def test_an_encoding_is_named(import_):
    import_(lines("Żubr,Stanisław,Gwóźdź,s@zubr.example,,,").encode("cp1250"), "--encoding=cp1250")
    assert newest("company_name", "last_name") == ("Żubr", "Gwóźdź")


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
