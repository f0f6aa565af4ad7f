"""Catalogue of the rules that can refuse a request besides the policy table: state rules, and rules of models.

Each rule has its sentence for the user. The catalogue needs no database, so the documents made from it can be checked
anywhere. A test compares the catalogue with the triggers and constraints of a real database.
"""

from collections.abc import Iterator
from typing import NamedTuple

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.db.models import PROTECT, Model, UniqueConstraint

from access import state_rules
from access.refusals import of_unique_column, still_used


class Known(NamedTuple):
    """A rule of the catalogue. `when` describes the action that the rule checks, such as "a client is deleted"."""

    name: str
    status: int
    sentence: str
    when: str


def of_triggers() -> list[Known]:
    """Returns the state rules that PostgreSQL's triggers enforce."""
    rules = [rule for rule in state_rules.declared_rules().values() if rule.when]
    return [Known(rule.name, 400 if rule.needs_reason else 409, rule.sentence, rule.when) for rule in rules]


def _noun(table: str) -> str:
    models = apps.get_models(include_auto_created=True)
    name = next((str(model._meta.verbose_name) for model in models if model._meta.db_table == table), table)
    return f"{'an' if name[0] in 'aeio' else 'a'} {name}"


def of_models() -> Iterator[Known]:
    """Yields rules of the project's models: constraints, unique columns, no deletion of a row to which others refer."""
    for model in apps.get_models():
        if model.__module__.startswith("django"):
            continue
        written = f"{_noun(model._meta.db_table)} is made or changed"
        for constraint in model._meta.constraints:
            if isinstance(constraint, UniqueConstraint) and model._meta.pk.name in constraint.fields:
                continue  # the constraint refuses nothing: it only serves composite foreign keys
            status = 409 if isinstance(constraint, UniqueConstraint) else 400
            yield Known(constraint.name, status, str(constraint.violation_error_message), written)
        for field in model._meta.concrete_fields:
            if field.unique and not field.primary_key:
                table = model._meta.db_table
                name = f"{table}_{field.column}_key"
                yield Known(name, 409, of_unique_column(table, name), written)
        yield from _deletion_rules(model)


def _deletion_rules(model: type[Model]) -> Iterator[Known]:
    for relation in model._meta.related_objects:
        referring = relation.related_model
        # PostgreSQL refuses to delete an account with log entries, although Django's foreign key says CASCADE.
        is_kept = relation.on_delete is PROTECT or relation.related_model is LogEntry
        if is_kept and isinstance(referring, type):
            refusal = still_used(model, referring)
            yield Known(refusal.rule, refusal.status, refusal.sentence, f"{_noun(model._meta.db_table)} is deleted")


# Rules that no table, model or trigger declares.
# Angle brackets mark a part that varies: `group.<names>` stands for `group.Sales` and others.
OTHERS = (
    Known("default.deny", 403, "You may not do this.", "nobody has said that it is allowed"),
    Known("group.<names>", 403, "Only members of <names> may do this.", "a view is open to some groups only"),
    Known("database", 403, "The database refuses this to your role.", "PostgreSQL refuses what no rule above it did"),
    Known("row_gone", 409, "This was deleted, or given to somebody else, a moment ago.",
          "two change the same thing at once"),
    Known("<foreign key>", 409, "What this belongs to was deleted a moment ago.", "two change the same thing at once"),
    Known("<unique index>", 409, "This exists already.", "a second one is made of what there is once"),
    Known("in_use", 409, "This is still in use.", "something is deleted that others hang on"),
)  # fmt: skip
