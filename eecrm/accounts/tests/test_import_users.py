"""`manage.py import_users`: a list of accounts, all or none."""

import logging
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from access.database import acting_as
from access.policy import Role
from accounts.models import Mail, TokenSession, User
from accounts.tests.people import HEADER, ROW, account, lines, mails, run_import, stored
from conftest import API, PASSWORD, Caller, World

Run = Callable[..., str]


@pytest.fixture
def import_(world: World, tmp_path: Path) -> Run:
    return lambda content, *options: run_import(tmp_path / "people.csv", content, *options)


@pytest.fixture
def refused(import_: Run) -> Run:
    """The sentences with which an import is refused, after which nothing has changed."""

    def run(content: str | bytes, *options: str) -> str:
        before, sent = stored(), mails()
        with pytest.raises(CommandError) as refusal:
            import_(content, *options)
        assert (stored(), mails()) == (before, sent)
        return str(refusal.value)

    return run


# --- new accounts


def test_a_new_account_has_no_password_and_is_invited(import_: Run) -> None:
    said = import_(lines(ROW))
    assert "Read 1 row, in utf-8 with commas.\n1 account created, 0 changed, 0 unchanged, 1 invitation queued." in said
    ada = account("ada")
    assert (ada.first_name, ada.last_name, ada.email, ada.role, ada.job_title, ada.mobile.as_e164, ada.is_active) == (
        "Ada", "Byron", "ada@epic.example", "support", "Stage manager", "+33612345678", True,
    )  # fmt: skip
    assert stored()["ada"][-2].startswith("!")
    assert (ada.last_login, ada.is_superuser) == (None, False)
    assert mails() == [("invitation", "ada", "")]


def test_what_the_file_does_not_say_of_a_new_account_is_the_default(import_: Run) -> None:
    import_(lines("ada,ada@epic.example", header="username,email"))
    ada = account("ada")
    assert (ada.first_name, ada.role, ada.mobile, ada.is_active) == ("", "external", "", True)


@pytest.mark.parametrize(
    ("row", "options", "expected"),
    [
        (ROW, ["--no-invitations"], []),
        (ROW.replace("yes", "no"), [], []),
        (ROW, ["--notify-to=boss@epic.example"], [("invitation", "ada", "boss@epic.example")]),
        (ROW, ["--dry-run"], []),
    ],
)
def test_who_is_invited_and_where(import_: Run, row: str, options: list[str], expected: Any) -> None:
    import_(lines(row), *options)
    assert mails() == expected


def test_a_dry_run_tells_everything_and_changes_nothing(import_: Run) -> None:
    before = stored()
    said = import_(lines(ROW, "sales,,,,support,,,,yes"), "--dry-run")
    assert (stored(), mails()) == (before, [])
    assert "1 account created, 1 changed, 0 unchanged, 1 invitation queued." in said
    assert "  line 2: ada is new" in said
    assert "line 3: sales: first_name 'Sales' → '', last_name 'Person' → '', email 'sales@epic.example' → ''" in said
    assert said.endswith("This was a dry run: nothing was changed.\n")


def test_a_username_is_stored_in_its_one_spelling(import_: Run, refused: Run) -> None:
    import_(lines(ROW.replace("ada,", "ＡＤＡ\u200b.Byron,")))
    assert account("ada.byron").first_name == "Ada"
    assert "line 3, column 'username': 'ada' stands on line 2 already" in refused(
        lines(ROW, ROW.replace("ada,", "ADA,"))
    )


# --- accounts that exist


def test_an_account_that_exists_is_changed_without_its_password_or_its_last_login(import_: Run, world: World) -> None:
    User.objects.filter(username="sales").update(last_login="2026-01-02T03:04:05Z")
    before = stored()
    assert "0 accounts created, 1 changed" in import_(lines("Sales,Sonia,Sand,s@epic.example,sales,Lead,,,1"))
    after = stored()
    changed = ("Sonia", "Sand", "sales@epic.example", "sales", "Lead", "", True)
    assert after["sales"] == (before["sales"][0], *changed, *before["sales"][8:])
    assert {name: row for name, row in after.items() if name != "sales"} == {
        name: row for name, row in before.items() if name != "sales"
    }
    assert Caller().post(API + "users/login/", {"username": "sales", "password": PASSWORD}).status_code == 200


def test_a_column_that_is_missing_leaves_its_field_alone_and_an_empty_cell_empties_it(import_: Run) -> None:
    said = import_(lines("sales,,Sand", header="USER-NAME;Last Name;E Mail".replace(";", ",")).replace("Sand", ""))
    assert "column" not in said
    sales = account("sales")
    assert (sales.first_name, sales.last_name, sales.email, sales.role) == ("Sales", "", "", "sales")


def test_what_says_nothing_new_is_unchanged_and_ends_no_login(import_: Run, world: World) -> None:
    caller = Caller.as_user(world.users["sales"])
    said = import_(lines("SALES,Sales,Person,sales@epic.example,Sales,,,,TRUE"))
    assert "0 accounts created, 0 changed, 1 unchanged, 0 invitations queued." in said
    assert caller.get(API + "users/me/").status_code == 200


def test_what_the_file_does_not_mention_stays_as_it_is(import_: Run) -> None:
    import_(lines(ROW), "--no-invitations")
    before = stored()["ada"]
    import_(lines("ada,Countess", header="username,job_title"))
    after = stored()["ada"]
    assert [value for value, old in zip(after, before, strict=True) if value != old] == ["Countess"]
    assert "0 changed, 1 unchanged" in import_(
        lines("ada,06", header="username,mobile").replace("06", "+33 6 12 34 56 78")
    )


@pytest.mark.parametrize("row", ["unlinked,sales,yes", "unlinked,external,no"])
def test_a_new_role_or_a_deactivation_ends_the_logins(import_: Run, world: World, row: str) -> None:
    caller = Caller.as_user(world.users["unlinked"])
    assert caller.get(API + "users/me/").status_code == 200
    import_(lines(row, header="username,role,is_active"))
    assert caller.get(API + "users/me/").status_code == 401
    assert TokenSession.objects.filter(user=world.users["unlinked"], revoked_at=None).count() == 0


def test_groups_are_replaced(groups: None, import_: Run) -> None:
    header = "username,groups,email"
    import_(lines("sales,Crew A; Crew B,sales@epic.example", "ada,Crew B,a@epic.example", header=header))
    assert (account("sales").group_names, account("ada").group_names) == ({"Crew A", "Crew B"}, {"Crew B"})
    said = import_(lines("sales,Crew A,sales@epic.example", "ada,,a@epic.example", header=header))
    assert "line 2: sales: groups 'Crew A;Crew B' → 'Crew A'" in said
    assert (account("sales").group_names, account("ada").group_names) == ({"Crew A"}, set())
    import_(lines("sales,s@epic.example", header="username,email"))
    assert account("sales").group_names == {"Crew A"}


def test_a_group_that_does_not_exist_is_told_with_those_that_do(groups: None, refused: Run) -> None:
    said = refused(lines("sales,Crew A;Crew C", header="username,groups"))
    assert "line 2, column 'groups': There is no group 'Crew C'; the groups are" in said
    assert "'Crew A', 'Crew B'" in said


# --- inviting again


def test_who_never_set_a_password_is_invited_again_unless_a_mail_is_on_its_way(import_: Run, world: World) -> None:
    people = [f"{name},{name}@epic.example" for name in ("ada", "grace", "mary", "sales")]
    list_ = lines(*people, header="username,email")
    import_(list_, "--no-invitations")
    with acting_as(Role.SUPERUSER):
        Mail.objects.create(kind="invitation", user=User.objects.get(username="ada"))
        User.objects.filter(username="mary").update(is_active=False)
    sent = Mail.objects.create(kind="invitation", user=User.objects.get(username="grace"))
    Mail.objects.filter(pk=sent.pk).update(sent_at="2026-01-01T00:00Z")  # as the worker does
    before = mails()
    assert "0 invitations queued" in import_(list_)
    assert mails() == before
    said = import_(list_, "--resend", "--notify-to=boss@epic.example")
    assert "0 accounts created, 0 changed, 4 unchanged, 1 invitation queued." in said
    assert "Every invitation goes to boss@epic.example." in said
    assert mails() == [*before, ("invitation", "grace", "boss@epic.example")]


# --- the database's own rules


def test_a_rule_of_the_database_is_told_by_its_line_and_nothing_is_imported(refused: Run) -> None:
    said = refused(
        lines("unlinked,sales", "management,sales", "other_management,support", "ada,sales", header="username,role"),
        "--no-invitations",
    )
    assert "'ada' is new and active, and has no email address to be invited at." in said
    said = refused(lines("unlinked,sales", "management,sales", "other_management,support", header="username,role"))
    assert said == (
        "Nothing was imported, because of 1 problem:\n"
        "line 4: The last active manager stays: make somebody else a manager first."
    )


def test_a_dry_run_asks_the_database_too(refused: Run) -> None:
    said = refused(lines("management,no", "other_management,no", header="username,is_active"), "--dry-run")
    assert "line 3: The last active manager stays" in said


def test_all_managers_may_change_at_once_if_another_comes(import_: Run) -> None:
    import_(lines("management,sales", "other_management,sales", "unlinked,management", header="username,role"))
    assert [account(name).role for name in ("management", "other_management", "unlinked")] == [
        "sales", "sales", "management",
    ]  # fmt: skip


def test_many_rows_that_the_database_refuses_are_found_one_by_one(refused: Run) -> None:
    # Small letters to Unicode's case folding, which isn't PostgreSQL's lower().
    rows = [f"user{number}{'ꭰ' if number % 40 == 0 else ''},u@epic.example" for number in range(400)]
    said = refused(lines(*rows, header="username,email"))
    assert "because of 10 problems:\nline 2: A username is stored in lowercase.\nline 42: " in said
    rows = [f"user{number}ꭰ,u@epic.example" for number in range(200)]
    said = refused(lines(*rows, header="username,email"))
    assert "because of at least 51 problems:\nline 2: " in said and "the other rows weren't tried" in said


@pytest.mark.parametrize("row", ["superuser,,,,sales,,,,no", "SUPERUSER,,,,external,,,,yes"])
def test_a_superuser_is_touched_by_no_file(refused: Run, row: str) -> None:
    assert "line 2, column 'username': 'superuser' is a superuser, whom no file changes." in refused(lines(row))


# --- few statements


def test_a_thousand_rows_take_few_statements(groups: None, import_: Run, django_assert_max_num_queries: Any) -> None:
    def list_(title: str) -> str:
        rows = (f"user{number},u{number}@epic.example,{title},Crew A" for number in range(1_000))
        return lines(*rows, header="username,email,job_title,groups")

    # A transaction, its role in and out, three savepoints, what there is of accounts and groups, and what is written.
    with django_assert_max_num_queries(18):
        assert "1,000 accounts created" in import_(list_("Crew"))
    with django_assert_max_num_queries(18):
        assert "1,000 changed" in import_(list_("Staff").replace("Crew A", "Crew B"))
    assert account("user7").group_names == {"Crew B"}
    with django_assert_max_num_queries(12):
        assert "1,000 unchanged" in import_(list_("Staff").replace("Crew A", "Crew B"))


# --- what is told meanwhile


@pytest.mark.parametrize("verbosity", [0, 1])
def test_progress_is_shown_unless_it_is_to_be_quiet(verbosity: int, world: World, tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "people.csv"
    path.write_text(lines(ROW))
    call_command("import_users", str(path), verbosity=verbosity, stdout=StringIO())
    call_command("export_users", "-", verbosity=verbosity, stdout=StringIO())
    shown = capsys.readouterr().err
    assert [word in shown for word in ("Checking: ", "Saving: ", "Exporting: ")] == [bool(verbosity)] * 3


def test_an_import_is_a_security_event_in_numbers(import_: Run, caplog: Any) -> None:
    with caplog.at_level(logging.INFO, "eecrm.security"):
        import_(lines(ROW), "--dry-run")
        import_(lines(ROW, "unlinked,,,u@epic.example,support,,,,yes"))
    events = [(record.message, record.count) for record in caplog.records if record.name == "eecrm.security"]
    assert events == [
        ("user_created", 1),
        ("user_updated", 1),
        ("privilege_permissions_changed", 1),
        ("authn_link_queued", 1),
    ]


# --- cells and files


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ({"username": ""}, "column 'username': This field cannot be blank."),
        ({"username": "two words"}, "column 'username': A username has letters, digits and . @ + - _ only"),
        ({"username": "x" * 151}, "column 'username': Ensure this value has at most 150 characters (it has 151)."),
        ({"first_name": "x" * 151}, "column 'first_name': Ensure this value has at most 150 characters"),
        ({"email": "ada at epic"}, "column 'email': Enter a valid email address."),
        ({"email": ""}, "column 'email': 'ada' is new and active, and has no email address to be invited at."),
        ({"role": ""}, "column 'role': An account has a role: write external, sales, support, management or auditor."),
        ({"role": "boss"}, "column 'role': 'boss' isn't a role: write external, sales,"),
        ({"role": "SuperUser"}, "column 'role': A file makes no superusers: that is done with createsuperuser on the"),
        ({"mobile": "06 12 34 56 78"}, "column 'mobile': The phone number entered is not valid."),
        ({"mobile": "+1-555-0100"}, "column 'mobile': The phone number entered is not valid."),
        ({"is_active": ""}, "column 'is_active': '' is neither yes nor no."),
        ({"is_active": "perhaps"}, "column 'is_active': 'perhaps' is neither yes nor no."),
        ({"groups": "Nobody's"}, "column 'groups': There is no group \"Nobody's\"; the groups are"),
        ({"job_title": "a\0b"}, "column 'job_title': It contains a NUL character, which no text has."),
        ({"job_title": '"=HYPERLINK(1)",x'}, "line 3: it has 10 fields, but the header has 9."),
    ],
)
def test_one_bad_cell_refuses_all_rows_by_line_and_column(refused: Run, cells: dict[str, str], problem: str) -> None:
    row = dict(zip(HEADER.split(","), ROW.split(","), strict=True)) | cells
    said = refused(lines(ROW.replace("ada", "grace"), ",".join(row.values())))
    assert said.startswith("Nothing was imported, because of 1 problem:\nline 3")
    assert problem in said


def test_every_problem_is_told_in_the_order_of_the_file(refused: Run) -> None:
    said = refused(lines("ada,,,x,boss,,,,maybe", "superuser,,,,sales,,,,yes", "x y,,,,sales,,,,yes"))
    assert [line.split(":")[0] for line in said.splitlines()[1:]] == [
        "line 2, column 'email'", "line 2, column 'role'", "line 2, column 'is_active'",
        "line 3, column 'username'", "line 4, column 'username'",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is empty."),
        (HEADER, "The file names its columns, but has no rows."),
        ("username,e-mail,rolle\na,b,c", "Unknown columns: 'rolle'. The columns of accounts are username, first_name,"),
        ("username,\na,b", "Unknown columns: ''."),
        ("first_name,email\na,b", "There is no column username. The file has: 'first_name', 'email'."),
        ("username,Email,e-mail\na,b,c", "2 columns are called 'Email', and only one can be the email: rename one."),
        (",".join(["username", *(f"c{number}" for number in range(999))]) + "\na", "'c39', and 959 more. The columns"),
        ('username,email\nada,"open', "Line 2 can't be read as CSV (unexpected end of data)"),
        ("username\n" + "x" * 131_073, "Line 2 can't be read as CSV (field larger than field limit (131072))"),
        ("username\n" + "x" * 131_072, "line 2, column 'username': Ensure this value has at most 150 characters"),
        ("username,role\nada," + "x" * 131_072, "line 2, column 'role': 'xxxxxxxxxx"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0\xff\xd9\x8d\x81\x9d" * 40, "isn't text in an encoding that can be"),
    ],
)
def test_a_hostile_file_is_told_in_few_words(refused: Run, content: str | bytes, sentence: str) -> None:
    said = refused(content)
    assert sentence in said
    assert len(said) < 1_500


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_list_is_read_as_any_program_writes_it(import_: Run, encoding: str, end: str) -> None:
    import_(lines(ROW.replace("Ada", "Zoé")).replace(",", ";").replace("\n", end).encode(encoding))
    assert account("ada").first_name == "Zoé"


@pytest.mark.parametrize("option", ["--notify-to=nobody", "--notify-to=a@b.example\nBcc: x@y.example"])
def test_mails_are_redirected_to_an_address_only(refused: Run, option: str) -> None:
    assert "this isn't an email address." in refused(lines(ROW), option)
