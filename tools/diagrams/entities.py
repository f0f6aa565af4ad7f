"""Describes Django models for the picture of the data model: their columns, and the targets of their foreign keys."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.apps import apps
from django.contrib.postgres.search import SearchVectorField
from django.db import connection
from django.db.models import Field, ForeignKey, GeneratedField, Model, OneToOneField, Q, UniqueConstraint

_SHORT_TYPES = {"timestamp with time zone": "timestamptz", "double precision": "float8"}


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    keys: tuple[str, ...]  # PK (primary key), FK (foreign key), UQ (unique)
    is_null: bool
    choices: tuple[str, ...]


@dataclass(frozen=True)
class Relation:
    source: str
    column: str
    target: str
    is_unique: bool
    is_null: bool


@dataclass(frozen=True)
class Entity:
    name: str
    table: str
    columns: tuple[Column, ...]
    relations: tuple[Relation, ...]


def own_models() -> list[type[Model]]:
    """Returns the models of this repository's apps that have a table.

    Django's own models and many-to-many tables are left out.
    """
    return [model for model in apps.get_models() if _is_own(model) and not model._meta.proxy]


def _is_own(model: type[Model]) -> bool:
    config = apps.get_app_config(model._meta.app_label)
    return "." not in config.name and "site-packages" not in config.path


def describe(model: type[Model]) -> Entity:
    fields = sorted(_shown(model), key=lambda field: not field.primary_key)
    unique = _unique_fields(model)
    return Entity(
        name=model.__name__,
        table=model._meta.db_table,
        columns=tuple(_column(field, is_unique=field.unique or field.name in unique) for field in fields),
        relations=tuple(
            Relation(
                model.__name__, field.name, field.related_model.__name__, isinstance(field, OneToOneField), field.null
            )
            for field in fields
            if _is_key(field)
        ),
    )


def _shown(model: type[Model]) -> Iterator[Field]:
    """Returns the fields of a model without those that PostgreSQL derives for searches and orders."""
    from api.resources.search import OrderKey  # imported late because it needs Django's settings

    for field in model._meta.concrete_fields:
        if not isinstance(field, SearchVectorField | OrderKey):
            yield field


def _is_key(field: Field) -> bool:
    """Returns True if PostgreSQL checks the field as a foreign key.

    A copied key of a parent row has no constraint, so the picture doesn't mark it as a foreign key.
    """
    return isinstance(field, ForeignKey) and field.db_constraint


def _unique_fields(model: type[Model]) -> set[str]:
    """Returns the names of the unique fields.

    Such a field has a unique constraint of its own, or one on an expression such as Lower(field). A constraint that
    covers only some rows is ignored, but the condition "is not null" is allowed.
    """
    names: set[str] = set()
    for constraint in model._meta.constraints:
        if isinstance(constraint, UniqueConstraint):
            fields = [*constraint.fields, *(name for part in constraint.expressions for name in _names_in(part))]
            # NULLs never count as duplicates, so the condition "is not null" changes nothing.
            if len(fields) == 1 and constraint.condition in (None, Q(**{f"{fields[0]}__isnull": False})):
                names.add(fields[0])
    return names


def _names_in(expression: object) -> list[str]:
    parts = expression.flatten()  # type: ignore[attr-defined]  # expressions of constraints have `flatten`
    return [part.name for part in parts if hasattr(part, "name")]


def _column(field: Field, *, is_unique: bool) -> Column:
    marks = (("PK", field.primary_key), ("FK", _is_key(field)), ("UQ", is_unique and not field.primary_key))
    choices = tuple(str(value) for value, _ in field.choices or ())
    return Column(field.name, _type(field), tuple(mark for mark, is_set in marks if is_set), field.null, choices)


def _type(field: Field) -> str:
    if _is_key(field):
        return f"→ {field.related_model.__name__}"
    if isinstance(field, GeneratedField | ForeignKey):
        return "computed"
    db_type = field.db_type(connection) or ""
    return _SHORT_TYPES.get(db_type, db_type)
