"""Titles of columns are recognised by pattern, in English and French, and other titles aren't."""

import pytest

from clients.importing.columns import recognise_client_columns
from clients.importing.names import split_name
from clients.importing.titles import meaning_of
from csv_files import CannotImport

TITLES = {
    "company_name": "Company Name|Nom de la société|Raison sociale|Company / Account|Organization 1 - Name|Nom d'entreprise|"
    "Person - Organization|account_name|Entreprise associée (Primary)|Nom du compte|SOCIETE",
    "first_name": "First Name|FirstName|firstname|PRENOM|Prénom(s)|Prénom du contact|Person - First name|Given Name",
    "last_name": "Last Name|LASTNAME|Nom de famille|Family Name|Surname|Nom d'usage",
    "full_name": "Name|Nom|Full Name|Nom complet|Nom du contact|Contact|Prénom et nom|Person - Name|Display Name",
    "email": "E-mail 1 - Value|Adresse de messagerie|Primary Email|Person - Email - Work|EmailAddress|Email(s)|Courriel pro|"
    "Première adresse électronique|E-mail 2 Address",
    "phone": "Business Phone 2|Téléphone (bureau)|Tél. fixe|N° de téléphone|Phone-home|Company Main Phone|Office Phone|TEL1",
    "mobile": "Tél. portable|MobilePhone|Mobile Number|Person - Phone - Mobile|SMS|GSM|Portable pro|Port.|Cell Phone|Nº mobile",
    "country": "Mailing Country|Pays/Région (bureau)|Primary Address Country|country_id|Code pays|Address 1 - Country",
    "": "E-mail 1 - Label|Email Type|Email Opt Out|Company Owner|Company ID|Company Number|Account Name.id|Phonetic First Name|"
    "Given Name Yomi|Middle Name|Deuxième prénom|Nickname|Username|Last Contact|First contact|Last Modified|Lead Owner|"
    "Assistant's Phone|Business Fax|Télécopie (bureau)|Phone Country Code|Country of birth|Address Line 1|Mailing Street|"
    "Company Address|Numéro client|Nom de naissance|Famille|Title|Notes|Custom 1|Firma|Vorname|Telefon|Work|Standard",
}  # fmt: skip


@pytest.mark.parametrize(("field", "title"), [(field, title) for field in TITLES for title in TITLES[field].split("|")])
def test_a_title_names_its_field_or_none(field, title):
    meaning = meaning_of(title)
    assert (meaning.field if meaning else "") == field


@pytest.mark.parametrize(
    ("titles", "field", "best_first"),
    [
        ("Home Phone|Other Phone|Phone|Work Phone", "phone", ["Work Phone", "Phone", "Home Phone", "Other Phone"]),
        ("Phone 3|Phone 1|Phone 2", "phone", ["Phone 1", "Phone 3"]),
        ("Phone 3|Phone 1|Phone 2", "mobile", ["Phone 2"]),
        ("Mobile|Phone|Phone 2", "phone", ["Phone", "Phone 2"]),
        ("Email 2|Secondary Email|Email|Work Email", "email", ["Work Email", "Email", "Email 2", "Secondary Email"]),
        ("Pays de livraison|Pays|Email", "country", ["Pays", "Pays de livraison"]),
        ("Account|Company", "company_name", ["Company"]),
    ],
)
def test_columns_of_one_field_have_a_priority(titles, field, best_first):
    others = [title for title in ("Company", "First name", "Last name", "Email") if title not in titles.split("|")]
    header = [*titles.split("|"), *others]
    columns = recognise_client_columns(header, {})
    assert [header[position] for position in columns.positions[field]] == best_first


@pytest.mark.parametrize(
    ("header", "used"),
    [
        ("Nom|Prénom|Société|Email", {"last_name": "Nom", "first_name": "Prénom"}),
        (
            "Nom|Nom du contact|Prénom du contact|Email|Email du contact",
            {"company_name": "Nom", "last_name": "Nom du contact", "email": "Email du contact"},
        ),
        ("Client|Contact|Email", {"company_name": "Client", "full_name": "Contact"}),
        ("Name|First name|Last name|Company|Email", {"first_name": "First name", "last_name": "Last name"}),
    ],
)
def test_a_column_of_names_is_understood_by_the_columns_beside_it(header, used):
    columns = recognise_client_columns(header.split("|"), {})
    assert {field: columns.title(field) for field in used} == used
    assert ("full_name" in columns.positions) is ("full_name" in used)


@pytest.mark.parametrize(
    "header", ["Name|First name|Last name|Email", "Company|Contact Owner|Email", "Nom|Prénom|Société"]
)
def test_a_list_without_a_required_column_is_refused(header):
    with pytest.raises(CannotImport, match="No column was recognised for"):
        recognise_client_columns(header.split("|"), {})


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("Olga Petrova", "Olga", "Petrova"),
        ("Petrova, Olga", "Olga", "Petrova"),
        ("GARNIER Inès", "Inès", "GARNIER"),
        ("Inès DE LA TOUR", "Inès", "DE LA TOUR"),
        ("Inès de la Tour", "Inès", "de la Tour"),
        ("Hugo van den Berg", "Hugo", "van den Berg"),
        ("Dr. Jean Paul Sartre", "Jean Paul", "Sartre"),
        ("Mme Léa Bloom", "Léa", "Bloom"),
        ("J.R.R. Tolkien", "J.R.R.", "Tolkien"),
        ("Madonna", "", "Madonna"),
        ("", "", ""),
    ],
)
def test_a_whole_name_is_split(name, first, last):
    assert split_name(name) == (first, last)


def test_a_whole_name_is_split_in_the_order_of_its_title():
    assert split_name("Petrova Olga", is_last_name_first=True) == ("Olga", "Petrova")
