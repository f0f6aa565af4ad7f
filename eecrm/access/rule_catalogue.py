"""Every rule by whose name something is refused, with its sentence: out of the table, the models and the migrations.

Nothing is asked of a database, so that the page that is made of it (`access.page`) can be checked anywhere; a test
compares it with the triggers and constraints of a real one.
"""

from collections.abc import Iterator
from typing import NamedTuple

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.db.models import PROTECT, Model, UniqueConstraint

from access import policy, state_rules
from access.policy import MATRIX_ROLES, TABLE, Rule, Scope
from access.refusals import of_unique_column, still_used


class Known(NamedTuple):
    """`when` tells in words what the rule is asked about."""

    name: str
    status: int
    sentence: str
    when: str


def of_policy() -> Iterator[Rule]:
    """The cells of the table that refuse: always, or what isn't one's own."""
    for resource, action, *_ in TABLE:
        for role in MATRIX_ROLES:
            scope = policy.scope_of(resource, action, role)
            if scope is not Scope.ALL:
                yield Rule(resource, action, role, scope)


def of_triggers() -> list[Known]:
    """The rules of state that a trigger enforces."""
    rules = [rule for rule in state_rules.declared().values() if rule.when]
    return [Known(rule.name, 400 if rule.needs_reason else 409, rule.sentence, rule.when) for rule in rules]


def _noun(table: str) -> str:
    models = apps.get_models(include_auto_created=True)
    name = next((str(model._meta.verbose_name) for model in models if model._meta.db_table == table), table)
    return f"{'an' if name[0] in 'aeio' else 'a'} {name}"


def of_models() -> Iterator[Known]:
    """Constraints and unique columns of our own models, and rows that others hang on."""
    for model in apps.get_models():
        if model.__module__.startswith("django"):
            continue
        written = f"{_noun(model._meta.db_table)} is made or changed"
        for constraint in model._meta.constraints:
            if isinstance(constraint, UniqueConstraint) and model._meta.pk.name in constraint.fields:
                continue  # for foreign keys: the key alone is unique
            status = 409 if isinstance(constraint, UniqueConstraint) else 400
            yield Known(constraint.name, status, str(constraint.violation_error_message), written)
        for field in model._meta.concrete_fields:
            if field.unique and not field.primary_key:
                table = model._meta.db_table
                name = f"{table}_{field.column}_key"
                yield Known(name, 409, of_unique_column(table, name), written)
        yield from _held(model)


def _held(model: type[Model]) -> Iterator[Known]:
    for relation in model._meta.related_objects:
        holder = relation.related_model
        # PostgreSQL keeps an account on record for what it did, where Django would delete that as well.
        is_kept = relation.on_delete is PROTECT or relation.related_model is LogEntry
        if is_kept and isinstance(holder, type):
            refusal = still_used(model, holder)
            yield Known(refusal.rule, refusal.status, refusal.sentence, f"{_noun(model._meta.db_table)} is deleted")


# What the code says by itself. A name in angle brackets stands for many.
OTHERS = (
    Known("default.deny", 403, "You may not do this.", "nobody has said that it is allowed"),
    Known("group.<names>", 403, "Only members of <names> may do this.", "a view is open to some groups only"),
    Known("database", 403, "The database refuses this to your role.", "PostgreSQL refuses what no rule above it did"),
    Known("row_gone", 409, "This was deleted, or given to somebody else, a moment ago.", "two change the same thing at once"),
    Known("<foreign key>", 409, "What this belongs to was deleted a moment ago.", "two change the same thing at once"),
    Known("<unique index>", 409, "This exists already.", "a second one is made of what there is once"),
    Known("in_use", 409, "This is still in use.", "something is deleted that others hang on"),
)  # fmt: skip
