"""One description of a resource: the fields of its serializer drive writes, the OpenAPI document and reads.

Writes go through Django REST framework's fields. Reads don't: each field names the SQL expression that renders it, and
PostgreSQL returns a row as finished JSON (docs/adr/0003).
"""

from typing import Any

from django.db.models import Case, CharField, Expression, F, Func, Model, TextField, Value, When
from django.db.models.functions import Cast, Concat
from rest_framework import serializers

API_ROOT = "/api/v1/"


class JSONObject(Func):
    """`json_build_object` as text. Django's own JSONObject makes jsonb, which loses the order of the keys."""

    function = "json_build_object"
    template = "%(function)s(%(expressions)s)::text"
    output_field = TextField()


class _Nested(Func):
    function = "json_build_object"
    output_field = TextField()


class _Masked(Func):
    """An address whose owner can't be told: `j***@***.com`, `***45`. An empty one stays empty."""

    function = "regexp_replace"
    output_field = CharField()

    def __init__(self, field: str, *, is_email: bool) -> None:
        pattern, shown = (r"^(.).*@.*(\.[^.]*)$", r"\1***@***\2") if is_email else (r"^.+(..)$", r"***\1")
        super().__init__(F(field), Value(pattern), Value(shown))


class Reference(serializers.Field):
    """A related row as `{id, <key>}`, or null. Read-only: it is written as `<name>_id`, or not at all."""

    def __init__(self, path: str, column: str, *, key: str = "name", nullable: bool = False, **kwargs: Any) -> None:
        self.path, self.column, self.key, self.nullable = path, column, key, nullable
        super().__init__(read_only=True, **kwargs)

    def expression(self) -> Expression:
        columns = F(f"{self.path}_id"), F(f"{self.path}__{self.column}")
        reference = _Nested(Value("id"), columns[0], Value(self.key), columns[1])
        if not self.nullable:
            return reference
        return Case(When(**{f"{self.path}_id__isnull": False, "then": reference}), output_field=TextField())

    def to_representation(self, value: Any) -> dict[str, Any]:
        raise NotImplementedError("Reads are rendered by PostgreSQL.")


class CanonicalURL(serializers.Field):
    """The absolute address of a row under its whole chain of parents: `CanonicalURL(clients="id")`."""

    def __init__(self, **steps: str) -> None:
        self.steps = steps
        super().__init__(read_only=True)

    def expression(self, root: str) -> Expression:
        parts: list[Expression] = []
        for collection, key in self.steps.items():
            parts += [Value(f"{root}{collection}/"), Cast(key, TextField())]
            root = "/"
        return Concat(*parts, Value("/"), output_field=TextField())

    def to_representation(self, value: Any) -> str:
        raise NotImplementedError("Reads are rendered by PostgreSQL.")


class RelatedKey(serializers.PrimaryKeyRelatedField):
    """The key of another row, as a JSON number: DRF would take text and let 1e400 through to an error."""

    def to_internal_value(self, data: Any) -> Any:
        if type(data) is not int:
            self.fail("incorrect_type", data_type=type(data).__name__)
        return super().to_internal_value(data)


class StrictSerializer(serializers.Serializer):
    """Refuses what it doesn't know and what can't be written, by name (`api.md`, Representations)."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            fields = self.fields
            strangers = {
                key: (
                    [serializers.ErrorDetail("This field can't be written.", code="read_only")]
                    if key in fields
                    else [serializers.ErrorDetail("This field is unknown.", code="unknown")]
                )
                for key in data
                if key not in fields or fields[key].read_only
            }
            if strangers:
                raise serializers.ValidationError(strangers)
        return super().to_internal_value(data)


class ResourceSerializer(StrictSerializer, serializers.ModelSerializer):
    """Base of a resource's serializer. `Meta.personal` lists the fields that are masked for some (row *auditor*)."""

    serializer_related_field = RelatedKey

    def get_unique_together_validators(self) -> list[Any]:
        """The database tells duplicates, in the same statement as the write; asking before is a race."""
        return []

    @classmethod
    def row(cls, root: str, *, masked: bool) -> JSONObject:
        """The expression that renders one row; `root` is the absolute address of the API, `masked` hides personal data."""
        parts: list[Expression | F] = []
        for name, field in _described(cls).items():
            if not field.write_only:
                parts += [Value(name), _expression(cls, name, field, root, masked=masked)]
        return JSONObject(*parts)

    def update(self, instance: Model, validated_data: dict[str, Any]) -> Model:
        """Writes the columns that differ and no other: an unchanged row keeps its version."""
        changed = [name for name, value in validated_data.items() if differs(instance, name, value)]
        for name in changed:
            setattr(instance, name, validated_data[name])
        if changed:
            instance.save(update_fields=changed)
        return instance


def differs(row: Model, name: str, value: Any) -> bool:
    """Whether a field would change. Keys are compared, not related rows, which the caller may not even read."""
    return getattr(row, row._meta.get_field(name).attname) != getattr(value, "pk", value)  # type: ignore[union-attr]


_descriptions: dict[type, dict[str, serializers.Field]] = {}


def _described(cls: type[ResourceSerializer]) -> dict[str, serializers.Field]:
    if cls not in _descriptions:
        _descriptions[cls] = dict(cls().fields)
    return _descriptions[cls]


def _expression(cls: type[ResourceSerializer], name: str, field: Any, root: str, *, masked: bool) -> Expression | F:
    source = field.source.replace(".", "__")
    match field:
        case CanonicalURL():
            return field.expression(root)
        case Reference():
            return field.expression()
        case _ if masked and name in getattr(cls.Meta, "personal", ()):
            return _Masked(source, is_email=isinstance(field, serializers.EmailField))
        case serializers.DecimalField():
            return Cast(source, TextField())
    return F(source)
