"""The rules of covers and memberships in PostgreSQL itself, and the same sentences from the model."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from access import sql_functions
from access.codenames import ROLE_GROUPS
from access.database import acting_as
from access.policy import Role, contact_roles
from access.tests.test_database_roles import REFUSED, run
from accounts.models import Cover, User
from conftest import World

INSERT = (
    "INSERT INTO accounts_cover (colleague_id, substitute_id, ends_at, reason{columns}) "
    "VALUES ({colleague}, {substitute}, {ends_at}, {reason}{values}) RETURNING id"
)


def keys(world: World) -> dict[str, int]:
    return {name: user.pk for name, user in world.users.items()}


def insert(world: World, role: str = Role.MANAGEMENT, **changes: str) -> Any:
    """The row that is made by a manager, or the name of the rule that refuses it."""
    values = {
        "colleague": "{other_sales}", "substitute": "{sales}", "ends_at": "now() + interval '9 days'", "reason": "'Leave'",
        "columns": "", "values": "",
    } | changes  # fmt: skip
    return run(INSERT.format(**values).format(**keys(world)), role, user_id=world.users["management"].pk)


def test_the_triggers_know_the_roles_of_the_policy_table() -> None:
    functions = sql_functions.sources()
    named = re.search(r"role NOT IN \((.*?)\)", functions["cover_rules"])
    assert named and tuple(re.findall(r"'(\w+)'", named[1])) == contact_roles() == ("sales", "support")
    named = re.search(r"name IN \((.*?)\)", functions["member_rules"])
    assert named and tuple(re.findall(r"'(\w+)'", named[1])) == ROLE_GROUPS


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, None),
        ({"colleague": "{support}", "substitute": "{other_support}"}, None),
        ({"ends_at": "now() + interval '179 days'"}, None),
        ({"ends_at": "now() + interval '181 days'"}, "cover_at_most_180_days"),
        ({"ends_at": "'infinity'"}, "cover_at_most_180_days"),
        ({"ends_at": "now() - interval '1 second'"}, "cover_ends_in_future"),
        ({"columns": ", starts_at", "values": ", now() + interval '10 days'"}, "cover_ends_after_start"),
        ({"columns": ", starts_at", "values": ", now() + interval '8 days'"}, None),
        ({"reason": "' '"}, "cover_has_a_reason"),
        ({"substitute": "{other_sales}"}, "cover_by_somebody_else"),
        ({"substitute": "{support}"}, "cover_same_role"),
        ({"substitute": "{management}"}, "cover_between_contacts"),
        ({"colleague": "{management}", "substitute": "{other_management}"}, "cover_between_contacts"),
        ({"colleague": "{partner}", "substitute": "{unlinked}"}, "cover_between_contacts"),
        ({"colleague": "{auditor}"}, "cover_between_contacts"),
        ({"colleague": "{superuser}"}, "cover_between_contacts"),
        ({"substitute": "{inactive}"}, "cover_between_contacts"),
    ],
)  # fmt: skip
def test_who_may_be_lent_what_to_whom(changes: dict[str, str], outcome: str | None, world: World) -> None:
    with acting_as(Role.SUPERUSER):
        world.users["inactive"] = User.objects.create_user("inactive", role=Role.SALES, is_active=False)
    refused = insert(world, **changes)
    assert refused == outcome if outcome else isinstance(refused, list)


@pytest.mark.parametrize("role", [Role.SALES, Role.SUPPORT, Role.EXTERNAL, Role.AUDITOR, ""])
def test_others_grant_change_and_delete_none(role: str, world: World) -> None:
    assert insert(world, role=role) == REFUSED
    assert run("UPDATE accounts_cover SET ends_at = now()", role) == REFUSED
    assert run("DELETE FROM accounts_cover", role) == REFUSED
    if role not in ("", Role.AUDITOR):
        assert run("SELECT granted_by_id FROM accounts_cover", role) == REFUSED


@pytest.mark.parametrize("role", [Role.MANAGEMENT, Role.SUPERUSER])
def test_nobody_deletes_a_cover(role: str, world: World) -> None:
    assert run("DELETE FROM accounts_cover", role) == REFUSED


def test_who_granted_it_is_whoever_is_entered(world: World) -> None:
    insert(world, columns=", granted_by_id, starts_at", values=", {other_management}, '2020-01-01'")
    with acting_as(Role.SUPERUSER):
        cover = Cover.objects.get()
    assert cover.granted_by_id == world.users["management"].pk
    assert cover.starts_at.date() >= timezone.now().date()  # nobody dates it back
    run(f"UPDATE accounts_cover SET granted_by_id = {world.users['other_management'].pk}", Role.MANAGEMENT)
    with acting_as(Role.SUPERUSER):
        assert Cover.objects.get().granted_by_id == world.users["management"].pk


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ("ends_at = now()", 1),
        ("ends_at = now() + interval '1 day'", 1),
        ("ends_at = '2020-01-01'", 1),
        ("ends_at = now() + interval '10 days'", "cover_only_ends_early"),
        ("reason = 'Other'", "cover_only_ends_early"),
        ("starts_at = now()", "cover_only_ends_early"),
        ("colleague_id = {superuser}", "cover_only_ends_early"),
        ("substitute_id = {superuser}", "cover_only_ends_early"),
    ],
)  # fmt: skip
def test_a_cover_can_only_be_ended_early(change: str, outcome: Any, world: World) -> None:
    insert(world)
    assert run("UPDATE accounts_cover SET " + change.format(**keys(world)), Role.MANAGEMENT) == outcome
    with acting_as(Role.SUPERUSER):
        assert Cover.objects.get().ends_at.year >= timezone.now().year  # what was done under it stays explained


def test_a_cover_that_has_not_begun_is_withdrawn(world: World) -> None:
    insert(world, columns=", starts_at", values=", now() + interval '8 days'")
    with acting_as(Role.MANAGEMENT):
        assert Cover.objects.all().end() == 1
        cover = Cover.objects.get()
    assert cover.ends_at == cover.starts_at > timezone.now()


def test_the_past_stays_as_it_was(world: World) -> None:
    insert(world, role=Role.SUPERUSER, columns=", starts_at", values=", '2026-01-01'", ends_at="'2026-01-09'")
    assert run("UPDATE accounts_cover SET ends_at = '2026-01-08'", Role.MANAGEMENT) == "cover_past_stays"
    with acting_as(Role.MANAGEMENT):
        assert Cover.objects.all().end() == 0


def test_the_same_two_have_one_cover_at_a_time(world: World) -> None:
    assert isinstance(insert(world), list)
    assert insert(world) == "cover_once"
    later = {"columns": ", starts_at", "values": ", now() + interval '9 days'", "ends_at": "now() + interval '19 days'"}
    assert isinstance(insert(world, **later), list)
    assert isinstance(insert(world, colleague="{sales}", substitute="{other_sales}"), list)


def test_who_was_covered_stays_on_record(world: World) -> None:
    insert(world)
    assert "_fk_" in run(f"DELETE FROM accounts_user WHERE id = {world.users['management'].pk}", Role.SUPERUSER)


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"substitute": "support"}, "substitute", "Somebody covers for a colleague of the same role."),
        ({"colleague": "management"}, "__all__", "Cover is between two active people who are contacts: sales or support."),
        ({"substitute": "superuser"}, "__all__", "Cover is between two active people who are contacts: sales or support."),
        ({"substitute": "other_sales"}, "__all__", "Nobody covers for themselves."),
        ({"days": -1}, "ends_at", "A cover ends in the future."),
        ({"days": 181}, "__all__", "A cover lasts at most 180 days."),
        ({"reason": " "}, "reason", "This field cannot be blank."),
    ],
)  # fmt: skip
def test_the_model_says_it_in_sentences(changes: dict[str, Any], field: str, sentence: str, world: World) -> None:
    chosen = {"colleague": "other_sales", "substitute": "sales", "days": 9, "reason": "Leave"} | changes
    now = timezone.now()
    cover = Cover(
        colleague=world.users[chosen["colleague"]], substitute=world.users[chosen["substitute"]], reason=chosen["reason"],
        starts_at=now, ends_at=now + timedelta(days=chosen["days"]),
    )  # fmt: skip
    with acting_as(Role.SUPERUSER), pytest.raises(ValidationError) as refusal:
        cover.full_clean()
    assert sentence in refusal.value.message_dict[field]


MEMBERSHIP = "INSERT INTO accounts_user_groups (user_id, group_id) SELECT {%s}, id FROM auth_group WHERE name = '%s'"


@pytest.mark.parametrize(
    ("role", "whom", "group", "outcome"),
    [
        ("management", "auditor", "PII_VIEW", 1),
        ("management", "management", "PII", "user_not_oneself"),
        ("management", "superuser", "PII", "user_superuser_guarded"),
        ("superuser", "superuser", "PII", 1),
        ("management", "auditor", "Management", "group_follows_role"),
        ("superuser", "auditor", "Management", "group_follows_role"),
        ("auditor", "auditor", "PII", REFUSED),
        ("sales", "sales", "PII", REFUSED),
        ("", "sales", "PII", REFUSED),
    ],
)  # fmt: skip
def test_who_puts_whom_into_a_group(role: str, whom: str, group: str, outcome: Any, world: World) -> None:
    sql = (MEMBERSHIP % (whom, group)).format(**keys(world))
    assert run(sql, role, user_id=world.users["management"].pk) == outcome


def test_who_takes_whom_out_of_a_group(world: World) -> None:
    with acting_as(Role.SUPERUSER):
        for name in ("auditor", "management", "superuser"):
            run((MEMBERSHIP % (name, "PII")).format(**keys(world)), Role.SUPERUSER)
    manager = world.users["management"].pk

    def take(name: str) -> Any:
        return run(f"DELETE FROM accounts_user_groups WHERE user_id = {keys(world)[name]}", Role.MANAGEMENT, manager)

    assert [take(name) for name in ("auditor", "management", "superuser")] == [
        1, "user_not_oneself", "user_superuser_guarded",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("statement", "outcome"),
    [
        ("UPDATE auth_group SET name = 'X' WHERE name = 'PII'", "group_is_managed"),
        ("DELETE FROM auth_group WHERE name = 'Sales'", "group_is_managed"),
        ("UPDATE auth_group SET name = 'X' WHERE name = 'Night shift'", 1),
        ("DELETE FROM auth_group WHERE name = 'Night shift'", 1),
        ("DELETE FROM auth_group_permissions", REFUSED),
        ("INSERT INTO auth_group_permissions (group_id, permission_id) SELECT 1, 1", REFUSED),
        ("UPDATE auth_permission SET codename = 'x'", REFUSED),
    ],
)  # fmt: skip
@pytest.mark.parametrize("role", [Role.MANAGEMENT, Role.SUPERUSER])
def test_groups_of_the_code_are_the_codes(statement: str, outcome: Any, role: str, world: World) -> None:
    manager = world.users["management"].pk
    run("INSERT INTO auth_group (name) VALUES ('Night shift')", Role.MANAGEMENT)
    # With the manager in it: what goes with a group that is deleted is no change of one's own groups.
    run((MEMBERSHIP % ("management", "Night shift")).format(**keys(world)), Role.SUPERUSER)
    assert run(statement, role, manager) == outcome
