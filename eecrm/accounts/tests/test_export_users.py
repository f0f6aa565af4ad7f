"""`manage.py export_users`: a list that a spreadsheet opens safely, and that imported again changes nothing."""

import csv
import io
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command

from access.database import acting_as
from access.policy import Role
from accounts.importing.columns import ACCOUNT_COLUMNS, Membership
from accounts.models import User
from accounts.tests.people import account, mails, run_import, stored
from api.spelling import has_invisible, has_line_control, normalise_title
from conftest import World
from csv_files.writing import guarded, unguarded

# Values that a spreadsheet would run, or a careless reader would change.
HOSTILE = [
    "=1+1", "+1", "-1", "@SUM(A1)", "'=1", "''+1", "'quoted'", "＝1", "\"=1\"", 'say "hi", you', "two\nlines",
    "two\r\nlines", "a\rb", "=1\r\n=2", ";a", "a;b|c\td", "é\u2028ü", "名前", "🎪", "'", "''", "-", "=",
]  # fmt: skip


def export(*arguments: str) -> str:
    output = io.StringIO()
    call_command("export_users", *arguments, "--verbosity=0", stdout=output)
    return output.getvalue()


def rows_of(text: str) -> dict[str, dict[str, str]]:
    return {row["username"]: row for row in csv.DictReader(io.StringIO(text, newline=""))}


@pytest.fixture
def exported(world: World, tmp_path: Path) -> Callable[..., Path]:
    def run(*options: str) -> Path:
        path = tmp_path / "people.csv"
        export(str(path), *options)
        return path

    return run


def test_what_is_exported_and_imported_again_changes_nothing(groups: None, world: World, tmp_path: Path) -> None:
    with acting_as(Role.SUPERUSER):
        for number, text in enumerate(HOSTILE):
            name = text if "@" not in text and not has_invisible(text) else "Plain"  # what no name holds
            User.objects.create(
                username=f"-user{number}",
                first_name=name,
                last_name=f" {name}\t",
                job_title="Plain" if has_line_control(text) else text,
                mobile="+33612345678",
            )
        User.objects.create(username="+plus@epic", role="sales", is_active=False, email="plus@epic.example")
        members = User.objects.exclude(is_superuser=True).values_list("pk", flat=True)[:9]
        crews = Membership._meta.get_field("group").related_model.objects.filter(name__startswith="Crew")
        Membership.objects.bulk_create(Membership(user_id=pk, group_id=crew.pk) for pk in members for crew in crews)
    before, path = stored(), tmp_path / "people.csv"
    export(str(path))
    said = run_import(path, path.read_bytes(), "--resend")
    assert f"0 accounts created, 0 changed, {len(before) - 1} unchanged, 0 invitations queued." in said
    assert (stored(), mails()) == (before, [])


def test_names_of_groups_come_back_as_they_were_and_grant_nothing(world: World, tmp_path: Path) -> None:
    """Once, `x;PII` came back as membership of PII, and personal data with it."""
    with acting_as(Role.SUPERUSER):
        plain = {normalise_title(text) for text in HOSTILE if not has_invisible(text)}  # the names that groups can have
        names = ["x;PII", "PII;", '"', "\\", *plain]
        crews = Group.objects.bulk_create(Group(name=name) for name in names)
        auditor = world.users["auditor"].pk
        Membership.objects.bulk_create(Membership(user_id=auditor, group_id=crew.pk) for crew in crews)
    before, path = stored(), tmp_path / "people.csv"
    export(str(path))
    assert "0 accounts created, 0 changed" in run_import(path, path.read_bytes())
    assert stored() == before
    with acting_as(Role.SUPERUSER):
        Membership.objects.filter(user=auditor).delete()
    assert "0 accounts created, 1 changed" in run_import(path, path.read_bytes())
    assert stored() == before
    assert "PII" not in before["auditor"][-1]


def test_an_export_rebuilds_accounts_that_are_gone(groups: None, exported: Any, world: World) -> None:
    with acting_as(Role.SUPERUSER):
        User.objects.create(username="-gone", first_name="=1+1", mobile="+33612345678", email="gone@epic.example")
    path = exported()
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="-gone").delete()
    assert "1 account created, 0 changed" in run_import(path, path.read_bytes())
    gone = account("-gone")
    assert (gone.first_name, str(gone.mobile), gone.email) == ("=1+1", "+33612345678", "gone@epic.example")


@pytest.mark.parametrize("text", HOSTILE)
def test_no_cell_begins_a_formula_and_the_guard_comes_off_again(text: str) -> None:
    assert not guarded(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝"))
    assert unguarded(guarded(text)) == text


def test_an_export_has_the_columns_of_an_import_and_no_hash(exported: Any, world: World) -> None:
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="sales").update(first_name="=cmd|'/c calc'!A1", mobile="+33612345678")
    raw = exported().read_bytes()
    assert raw.startswith(b"\xef\xbb\xbfusername,")
    text = raw.decode("utf-8-sig")
    assert "argon2" not in text
    rows = rows_of(text)
    assert list(rows["sales"]) == list(ACCOUNT_COLUMNS)
    assert rows["sales"] == {
        "username": "sales", "first_name": "'=cmd|'/c calc'!A1", "last_name": "Person", "email": "sales@epic.example",
        "role": "sales", "job_title": "", "mobile": "'+33612345678", "groups": "", "is_active": "yes",
    }  # fmt: skip
    assert set(rows) == set(world.users) - {"superuser"}


def test_an_export_is_of_one_role_or_of_those_who_are_active(exported: Any, world: World) -> None:
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="other_sales").update(is_active=False)
    assert set(rows_of(export("-", "--role=sales"))) == {"sales", "other_sales"}
    assert set(rows_of(export("-", "--role=sales", "--active"))) == {"sales"}
    with pytest.raises(CommandError, match="invalid choice: 'superuser'"):
        export("-", "--role=superuser")


def test_the_standard_output_gets_the_table_and_nothing_else(world: World) -> None:
    text = export("-")
    assert text.startswith("username,first_name,")
    assert text.endswith(",yes\r\n")


# --- the file


def test_nobody_else_reads_the_file(exported: Any) -> None:
    previous = os.umask(0)
    try:
        path = exported()
    finally:
        os.umask(previous)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_exists_is_replaced_with_force_only(exported: Any, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("precious")
    with pytest.raises(CommandError, match="exists already: choose another name, or --force to replace it."):
        exported()
    assert (tmp_path / "people.csv").read_text() == "precious"
    assert stat.S_IMODE(exported("--force").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["people.csv"]


@pytest.mark.parametrize("target", ["precious.txt", "nowhere.txt"])
def test_a_symbolic_link_is_never_followed(target: str, exported: Any, tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("precious")
    (tmp_path / "people.csv").symlink_to(tmp_path / target)
    with pytest.raises(CommandError, match="exists already"):
        exported()
    path = exported("--force")
    assert not path.is_symlink()
    assert (tmp_path / "precious.txt").read_text() == "precious"
    assert not (tmp_path / "nowhere.txt").exists()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("missing/people.csv", "can't be written: No such file or directory."),
        ("", "exists already"),
        ("nul\0.csv", "can't be written: embedded null byte."),
        ("x" * 300, "can't be written: File name too long."),
    ],
)
def test_a_path_that_cannot_be_written_is_told(name: str, sentence: str, world: World, tmp_path: Path) -> None:
    with pytest.raises(CommandError) as refusal:
        export(f"{tmp_path}/{name}")
    assert sentence in str(refusal.value)
    assert list(tmp_path.iterdir()) == []
