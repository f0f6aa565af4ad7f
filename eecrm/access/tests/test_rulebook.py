"""`docs/access.md` has every rule by which anything can be refused."""

import re
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection

from access import rule_catalogue
from access.querysets import resource_of
from access.state_rules import declared_rules
from access.tests.test_cells import CELLS
from config.environment import ROOT

PAGE = (ROOT / "docs" / "access.md").read_text()
APPS = "|".join(dict.fromkeys(["accounts", *(path.partition(".")[0] for path in settings.RESOURCES.values())]))


def rows(sql: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def test_every_refusal_of_the_policy_is_on_the_page() -> None:
    refusing = {cell: scope for cell, scope in CELLS.items() if scope != "all"}
    assert len(refusing) > 150
    for (resource, action, role), scope in refusing.items():
        assert f"`{resource}.{action}.{role}.{scope}`" in PAGE


# `refuse('name')`, and any call that isn't of this form.
_REFUSALS, _CALLS = re.compile(r"PERFORM refuse\('(\w+)'\)"), re.compile(r"refuse\(")


def test_every_refusal_in_sql_is_a_declared_rule_and_every_rule_is_enforced(db: None) -> None:
    bodies = rows(
        "SELECT prosrc FROM pg_proc"
        " WHERE pronamespace IN ('eecrm'::regnamespace, 'audit'::regnamespace) AND proname <> 'refuse'"
    )
    refused = {name for (body,) in bodies for name in _REFUSALS.findall(body)}
    assert sum(len(_CALLS.findall(body)) for (body,) in bodies) == sum(
        len(_REFUSALS.findall(body)) for (body,) in bodies
    )
    assert refused == {rule.name for rule in declared_rules().values() if rule.when}
    assert len(refused) > 40


def test_every_rule_of_state_is_on_the_page() -> None:
    for rule in declared_rules().values():
        assert f"`{rule.name}`" in PAGE and rule.sentence in PAGE
        assert rule.when or rule.is_moot, rule
        if rule.when:
            assert f"| `{rule.name}` | {400 if rule.needs_reason else 409} | {rule.sentence} |" in PAGE


def test_every_constraint_and_unique_index_is_on_the_page(db: None) -> None:
    """Of the tables of our own models. Keys can't be chosen, with other columns or without, and a serializer comes before
    Django's own `…_check`."""
    tables = f"'^({APPS})_(?!user_groups|user_user_permissions)'"
    named = rows(
        "SELECT conname FROM pg_constraint WHERE connamespace = 'eecrm'::regnamespace AND contype IN ('c', 'x')"
        f" AND conrelid::regclass::text ~ {tables} AND conname !~ '_check$'"
        " UNION SELECT indexrelid::regclass::text FROM pg_index"
        f" WHERE indisunique AND NOT indisprimary AND indrelid::regclass::text ~ {tables}"
        " AND pg_get_indexdef(indexrelid) !~ '[( ]id[,)]'"
    )
    assert ("client_email_unique",) in named and len(named) > 25
    assert {name for (name,) in named if f"`{name}`" not in PAGE} == set()


def test_what_others_hang_on_is_on_the_page(db: None) -> None:
    """Each foreign key to one of our rows that keeps it from being deleted."""
    keys = rows(
        "SELECT confrelid::regclass::text, conrelid::regclass::text FROM pg_constraint"
        " WHERE connamespace = 'eecrm'::regnamespace AND contype = 'f' AND confdeltype = 'a'"
        f" AND confrelid::regclass::text ~ '^({APPS})_'"
    )
    models = {model._meta.db_table: model._meta for model in apps.get_models(include_auto_created=True)}
    held = {f"{models[used].model_name}_has_{models[by].verbose_name_plural}".replace(" ", "_") for used, by in keys}
    assert {"client_has_contracts", "user_has_clients", "user_has_log_entries"} <= held
    assert {name for name in held if f"`{name}`" not in PAGE} == set()


def test_a_rule_of_a_status_names_one_that_its_resource_has() -> None:
    statuses = {resource_of(model): {*model.Status.values} for model in apps.get_models() if hasattr(model, "Status")}
    predicted = [rule for rule in declared_rules().values() if rule.actions]
    assert len(predicted) >= 10
    for rule in predicted:
        assert rule.statuses and {*rule.statuses} <= statuses[rule.resource], rule


@pytest.mark.parametrize("rule", list(rule_catalogue.of_models()), ids=lambda rule: rule.name)
def test_a_rule_of_a_model_has_a_sentence(rule: rule_catalogue.Known) -> None:
    assert rule.sentence.endswith(".") and rule.sentence[0].isupper()
