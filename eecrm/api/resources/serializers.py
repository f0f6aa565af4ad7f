"""Base classes of serializers. The fields of a serializer define writes, reads and the OpenAPI document of a resource.

Writes go through the fields of Django REST framework. Reads don't: each field is translated into SQL once, and
PostgreSQL returns each row as finished JSON (docs/adr/0003).
"""

import copy
from functools import cache
from string import Formatter
from typing import Any

from django.db.models import DateField, DateTimeField, Model
from rest_framework import serializers

from access.compiled_queries import Slot
from access.masks import personal
from api.email_addresses import AddressField, AddressSerializerField
from api.requests.bounds import unknown, with_value
from api.resources.json_rows import Row, sql_literal
from api.text_fields import (
    FreeTextField,
    FreeTextSerializerField,
    LineField,
    LineSerializerField,
    PersonNameField,
)
from api.times import DaySerializerField, MomentSerializerField, moment_sql

API_ROOT = "/api/v1/"


class Reference(serializers.Field):
    """Read-only field that shows a related row as its id and one more member, such as its name; null without a row.

    For example, `sales_contact` shows `{"id": 4, "name": "Julien Moreau"}`. A request that sets the related row sends
    the id in another member, `sales_contact_id`.
    """

    def __init__(self, path: str, column: str, *, key: str = "name", nullable: bool = False, **kwargs: Any) -> None:
        self.path, self.column, self.key, self.nullable = path, column, key, nullable
        super().__init__(read_only=True, **kwargs)

    def sql(self) -> str:
        reference = (
            f"json_build_object('id', {{{self.path}_id}}, {sql_literal(self.key)}, {{{self.path}__{self.column}}})"
        )
        return f"CASE WHEN {{{self.path}_id}} IS NOT NULL THEN {reference} END" if self.nullable else reference

    def to_representation(self, value: Any) -> dict[str, Any]:
        raise NotImplementedError("Reads are rendered by PostgreSQL.")


class CanonicalURL(serializers.Field):
    """Field for the absolute URL of a row, below its parents.

    For example, `CanonicalURL(clients="client_id", contracts="id")` gives `…/clients/7/contracts/21/`.
    """

    def __init__(self, **steps: str) -> None:
        self.steps = steps
        super().__init__(read_only=True)

    def sql(self) -> str:
        steps = " || ".join(
            f"{sql_literal(f'{collection}/')} || {{{key}}} || '/'" for collection, key in self.steps.items()
        )
        return f"%s || {steps}"

    def to_representation(self, value: Any) -> str:
        raise NotImplementedError("Reads are rendered by PostgreSQL.")


class RelatedKey(serializers.PrimaryKeyRelatedField):
    """Field for the id of a related row.

    It accepts integers only. DRF's own field accepts text, and crashes on 1e400.
    """

    def to_internal_value(self, data: Any) -> Any:
        if type(data) is not int:
            self.fail("incorrect_type", data_type=type(data).__name__)
        return super().to_internal_value(data)


class StrictSerializer(serializers.Serializer):
    """Serializer that refuses unknown and read-only fields. The error lists each of these fields (`api.md`)."""

    def get_fields(self) -> dict[str, serializers.Field]:
        """Returns copies of the serializer's fields, which are built only once for each class.

        Building the fields in each request would take a fifth of the time that creating a row takes.
        """
        return {name: copy.copy(field) for name, field in _listed_fields(type(self)).items()}

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            fields = self.fields
            errors = unknown([name for name in data if name not in fields], noun="field") | {
                name: [serializers.ErrorDetail("This field can't be written.", code="read_only")]
                for name in data
                if name in fields and fields[name].read_only
            }
            if errors:
                raise serializers.ValidationError(errors)
        return super().to_internal_value(data)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Adds the refused value to the error sentences of the fields whose values may be repeated."""
        try:
            return super().run_validation(data)
        except serializers.ValidationError as error:
            if isinstance(data, dict) and isinstance(error.detail, dict):
                raise serializers.ValidationError(
                    {name: self._with_value(name, texts, data) for name, texts in error.detail.items()}
                ) from None
            raise

    def repeats_value(self, name: str) -> bool:
        """May an error sentence repeat the value of this field? No by default, because it may be a secret."""
        return False

    def _with_value(self, name: str, texts: Any, data: dict[str, Any]) -> Any:
        value = data.get(name)
        if not isinstance(value, str | int | float) or value == "" or not self.repeats_value(name):
            return texts
        return [
            text
            if text.code in ("unknown", "read_only") or str(value) in text
            else serializers.ErrorDetail(with_value(str(text), value), code=text.code)
            for text in texts
        ]


class ListedChoiceField(serializers.ChoiceField):
    """Choice field whose error sentence lists the choices."""

    def __init__(self, choices: Any, **kwargs: Any) -> None:
        super().__init__(choices, **kwargs)
        self.error_messages["invalid_choice"] = f"Choose one of {', '.join(map(str, self.choices))}."


class ResourceSerializer(StrictSerializer, serializers.ModelSerializer):
    """Base class of a resource's serializer. It masks `personal_fields` for roles that may not see personal data."""

    serializer_related_field = RelatedKey
    serializer_choice_field = ListedChoiceField
    serializer_field_mapping = serializers.ModelSerializer.serializer_field_mapping | {
        AddressField: AddressSerializerField,
        DateField: DaySerializerField,
        DateTimeField: MomentSerializerField,
        FreeTextField: FreeTextSerializerField,
        LineField: LineSerializerField,
        PersonNameField: LineSerializerField,
    }

    def repeats_value(self, name: str) -> bool:
        return True

    def get_unique_together_validators(self) -> list[Any]:
        """Returns no validators, because constraints in PostgreSQL refuse duplicates.

        A check before the write could miss a duplicate that another request inserts at the same time.
        """
        return []

    @classmethod
    def row(cls, root: str | Slot, *, masked: bool) -> Row:
        """Returns the SQL expression that renders a row as JSON.

        `root` is the absolute URL of the API. `masked` hides personal data with stars.
        """
        return Row(*_row_template(cls, masked), root)

    def create(self, validated_data: dict[str, Any]) -> Model:
        """Creates the row without DRF's slow search for many-to-many fields, which these models don't have."""
        model: Any = self.Meta.model
        return model._default_manager.create(**validated_data)

    def update(self, instance: Model, validated_data: dict[str, Any]) -> Model:
        """Updates only the columns whose values change, so that an unchanged row keeps its version."""
        changed = [name for name, value in validated_data.items() if differs(instance, name, value)]
        for name in changed:
            setattr(instance, name, validated_data[name])
        if changed:
            instance.save(update_fields=changed)
        return instance


def differs(row: Model, name: str, value: Any) -> bool:
    """Would `value` change this field of the row?

    Related rows are compared by their ids only, because the caller may be unable to read related rows.
    """
    field: Any = row._meta.get_field(name)
    return getattr(row, field.attname) != getattr(value, "pk", value)


@cache
def _listed_fields(cls: type[StrictSerializer]) -> dict[str, serializers.Field]:
    return super(StrictSerializer, cls()).get_fields()


@cache
def _row_template(cls: type[ResourceSerializer], masked: bool) -> tuple[str, tuple[str, ...]]:
    """Returns the SQL template that renders a row as JSON, and the lookups of the columns in this template."""
    fields = {name: field for name, field in cls().fields.items() if not field.write_only}
    pairs = ", ".join(f"{sql_literal(name)}, {_field_sql(cls, name, field, masked)}" for name, field in fields.items())
    template = f"json_build_object({pairs})::text"
    paths = dict.fromkeys(path for _, path, _, _ in Formatter().parse(template) if path)
    return template, tuple(paths)


def _field_sql(cls: type[ResourceSerializer], name: str, field: Any, masked: bool) -> str:
    column = f"{{{field.source.replace('.', '__')}}}"
    match field:
        case CanonicalURL() | Reference():
            return field.sql()
        case _ if masked and (mask := personal(cls.Meta.model).get(field.source)):
            return mask.sql(column)
        case serializers.DecimalField():
            return f"{column}::text"
        case serializers.DateTimeField():
            return moment_sql(column)
    return column
