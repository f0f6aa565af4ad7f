"""`manage.py import_clients`: somebody's list of companies becomes prospects, all or none."""

import pytest

from access.database import acting_as
from access.policy import Role
from accounts.models import User
from api.phone_numbers import UnreadablePhone, read_phone
from clients.tests.lists import LONGER_LIST, REAL_LIST, ROW, lines, newest, stored
from conftest import API

# --- a real list


def test_a_dry_run_checks_a_real_list_and_changes_nothing(import_):
    before = stored()
    said = import_(REAL_LIST, "--lenient-phones", "--dry-run")
    assert stored() == before
    assert "Read 1,001 rows, in utf-8 with commas." in said
    assert (
        "Unused columns: 'Index' (1,001 values), 'Customer Id' (1,001 values), 'City' (1,001 values),"
        " 'Subscription Date' (1,001 values), 'Website' (1,001 values)." in said
    )
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
    # As above, and two statements for each further thousand rows: the look at what is stored, and the rows.
    with django_assert_max_num_queries(11 + 2 * 9):
        assert "10,000 prospects imported" in import_(LONGER_LIST, "--lenient-phones")
    assert len(stored()) == 10_002


def test_phones_that_cannot_be_right_refuse_a_list_by_line_and_column(refused):
    said = refused(REAL_LIST)
    assert said.startswith("Nothing was imported, because of 1,672 problems:\n")
    assert "line 2, column 'Phone 1': '846-790-4623x4715' isn't a valid phone number of Macao." in said
    assert said.endswith("\nand 1,622 more problems.")
    assert len(said.splitlines()) == 52


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
        ("Nordlys,Ingrid,Solberg,i@nordlys.example,,,,x", "it has 8 fields, but the header has 7."),
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
    assert (
        f"1 row left alone, because the client exists already:\n  line 2: {known.partition('@')[0]}@own.example" in said
    )
    assert "1 row left alone, because a row above has the same email address:\n  line 4: INGRID@nordlys.example" in said


def test_a_domain_in_capitals_beyond_ascii_is_the_same_domain(import_):
    row = "Odos,Eleni,Georgiou,eleni@ΟΔΟΣ-1.example,,,"
    import_(lines(row))
    assert "1 row left alone, because the client exists already" in import_(lines(ROW, row))


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
        read_phone(number)
        is_valid = True
    except UnreadablePhone:
        is_valid = False
    response = sales.patch(f"{API}clients/{world.own_client.pk}/", {"phone": number})
    assert (response.status_code == 200) is is_valid


# --- refusals as a whole


def test_a_file_that_is_no_list_is_told(refused, tmp_path):
    assert "is empty." in refused(b"")
    assert refused(tmp_path / "missing.csv").endswith("doesn't exist.")


@pytest.mark.parametrize("username", ["support", "management", "superuser", "retired", "nobody"])
def test_prospects_are_given_to_active_sales_users_only(refused, world, username):
    with acting_as(Role.SUPERUSER):
        User.objects.create(username="retired", role=Role.SALES, is_active=False)
    assert refused(lines(ROW), sales_contact=username) == (
        f"'{username}' isn't an active sales user: name one with --sales-contact."
    )
