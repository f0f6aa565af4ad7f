"""Compares two versions of an OpenAPI schema: finds values that one version accepts and the other doesn't."""

from collections.abc import Iterator
from typing import Any, NamedTuple

_LOWER_BOUNDS = ("minLength", "minimum", "exclusiveMinimum", "minItems")
_UPPER_BOUNDS = ("maxLength", "maximum", "exclusiveMaximum", "maxItems")
_ALL_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_MAX_DEPTH = 12  # deeper members aren't compared, because a schema may refer to itself

Schema = dict[str, Any]
# A difference is a pair: a place in the schema, and a description. For example, ("/name", "a maxLength above 100").
Found = Iterator[tuple[str, str]]


class Side(NamedTuple):
    """One of the two OpenAPI documents that are compared: the older or the newer."""

    document: dict[str, Any]

    def whole(self, part: Any) -> Any:
        """Returns `part`. If `part` is a reference, returns the referenced schema instead.

        A reference is a `$ref`, or an `allOf` with one schema.
        Other members of `part`, such as `description`, replace those of the referenced schema.
        """
        while isinstance(part, dict) and ("$ref" in part or len(part.get("allOf", ())) == 1):
            other_members = {name: value for name, value in part.items() if name not in ("$ref", "allOf")}
            target: Any = self.document
            if "$ref" in part:
                for step in part["$ref"].removeprefix("#/").split("/"):
                    target = target[step]
            else:
                target = part["allOf"][0]
            part = target | other_members
        return part

    def operations(self) -> dict[tuple[str, str], Any]:
        return {
            (path, method): operation
            for path, item in self.document["paths"].items()
            for method, operation in item.items()
        }


def gone(old: Schema, new: Schema, before: Side, after: Side, place: str = "", depth: int = 0) -> Found:
    """Yields the members (JSON object properties) that the schema `old` has and the schema `new` doesn't have."""
    old, new = before.whole(old), after.whole(new)
    if depth > _MAX_DEPTH:
        return
    for name, member in old.get("properties", {}).items():
        if name not in new.get("properties", {}):
            yield f"{place}/{name}", "the member"
        else:
            yield from gone(member, new["properties"][name], before, after, f"{place}/{name}", depth + 1)
    if "items" in old and "items" in new:
        yield from gone(old["items"], new["items"], before, after, f"{place}/*", depth + 1)


def less(old: Schema, new: Schema, before: Side, after: Side, place: str = "", depth: int = 0) -> Found:
    """Yields the kinds of values that the schema `old` accepts and `new` doesn't, such as longer texts."""
    old, new = before.whole(old), after.whole(new)
    if depth > _MAX_DEPTH:
        return
    if "oneOf" in old or "oneOf" in new:
        yield from _lost_alternatives(old, new, before, after, place, depth)
        return
    for type_ in sorted(_types(old) - _types(new)):
        yield place, f"the type {type_}"
    yield from ((place, loss) for loss in (*_lost_values(old, new), *_stricter_bounds(old, new)))
    for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
        yield f"{place}/{name}", "leaving it out"
    if new.get("additionalProperties") is False and old.get("additionalProperties") is not False and _is_object(old):
        yield place, "a member that isn't named"
    for step, old_part, new_part in _common_parts(old, new):
        yield from less(old_part, new_part, before, after, f"{place}/{step}", depth + 1)


def _common_parts(old: Schema, new: Schema) -> Iterator[tuple[str, Schema, Schema]]:
    """Yields the parts of two schemas that must be compared: each member that both have, and the items of arrays.

    A part is a name, the old schema and the new schema.
    """
    for name, member in old.get("properties", {}).items():
        if name in new.get("properties", {}):
            yield name, member, new["properties"][name]
    for key in ("items", "additionalProperties"):
        if isinstance(old.get(key), dict) and isinstance(new.get(key), dict):
            yield "*", old[key], new[key]


def _lost_alternatives(old: Schema, new: Schema, before: Side, after: Side, place: str, depth: int) -> Found:
    """Yields each alternative (`oneOf`) of `old` for which `new` has no alternative that accepts all its values."""
    new_alternatives = new.get("oneOf", [new])
    for number, alternative in enumerate(old.get("oneOf", [old])):
        if not any(_is_accepted(alternative, candidate, before, after, depth) for candidate in new_alternatives):
            yield place, f"the alternative {alternative.get('$ref', number)}"


def _is_accepted(old: Schema, new: Schema, before: Side, after: Side, depth: int) -> bool:
    return not any(less(old, new, before, after, "", depth + 1))


def _types(schema: Schema) -> frozenset[str]:
    if "type" not in schema:
        return frozenset({"null"}) if schema.get("const", ...) is None else _ALL_TYPES
    declared = schema["type"]
    types = {declared} if isinstance(declared, str) else set(declared)
    return frozenset(types | {"integer"} if "number" in types else types)


def _lost_values(old: Schema, new: Schema) -> Iterator[str]:
    old_values, new_values = _allowed_values(old), _allowed_values(new)
    if new_values and not old_values:
        yield "another value than " + ", ".join(sorted(new_values))
    if new_values and old_values:
        yield from (f"the value {value}" for value in sorted(old_values - new_values))


def _allowed_values(schema: Schema) -> set[str]:
    """Returns the values that `enum` or `const` allows, as texts; an empty set if the schema allows any value."""
    return set(map(repr, schema.get("enum", [schema["const"]] if "const" in schema else [])))


def _stricter_bounds(old: Schema, new: Schema) -> Iterator[str]:
    for key in _LOWER_BOUNDS:
        if key in new and new[key] > old.get(key, float("-inf")):
            yield f"a {key} below {new[key]}"
    for key in _UPPER_BOUNDS:
        if key in new and new[key] < old.get(key, float("inf")):
            yield f"a {key} above {new[key]}"
    for key in ("pattern", "format"):
        if key in new and new[key] != old.get(key):
            yield f"another {key} than {new[key]}"


def _is_object(schema: Schema) -> bool:
    return "object" in _types(schema)
