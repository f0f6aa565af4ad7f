"""Of two schemas, of different documents: what one takes and the other doesn't."""

from collections.abc import Iterator
from typing import Any, NamedTuple

_LOWER = ("minLength", "minimum", "exclusiveMinimum", "minItems")
_UPPER = ("maxLength", "maximum", "exclusiveMaximum", "maxItems")
_ALL_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_DEEPEST = 12  # for a schema that refers to itself

Schema = dict[str, Any]
Found = Iterator[tuple[str, str]]


class Side(NamedTuple):
    """One of the two documents."""

    document: dict[str, Any]

    def whole(self, part: Any) -> Any:
        """What a reference stands for, and what stands beside it; a lone `allOf` counts as that."""
        while isinstance(part, dict) and ("$ref" in part or len(part.get("allOf", ())) == 1):
            beside = {name: value for name, value in part.items() if name not in ("$ref", "allOf")}
            found: Any = self.document
            if "$ref" in part:
                for step in part["$ref"].removeprefix("#/").split("/"):
                    found = found[step]
            else:
                found = part["allOf"][0]
            part = found | beside
        return part

    def operations(self) -> dict[tuple[str, str], Any]:
        return {(path, method): one for path, item in self.document["paths"].items() for method, one in item.items()}


def gone(old: Schema, new: Schema, before: Side, after: Side, place: str = "", depth: int = 0) -> Found:
    """The members that are named in `old` and not in `new`."""
    old, new = before.whole(old), after.whole(new)
    if depth > _DEEPEST:
        return
    for name, one in old.get("properties", {}).items():
        if name not in new.get("properties", {}):
            yield f"{place}/{name}", "the member"
        else:
            yield from gone(one, new["properties"][name], before, after, f"{place}/{name}", depth + 1)
    if "items" in old and "items" in new:
        yield from gone(old["items"], new["items"], before, after, f"{place}/*", depth + 1)


def less(old: Schema, new: Schema, before: Side, after: Side, place: str = "", depth: int = 0) -> Found:
    """What `old` takes and `new` doesn't."""
    old, new = before.whole(old), after.whole(new)
    if depth > _DEEPEST:
        return
    if "oneOf" in old or "oneOf" in new:
        yield from _fewer_kinds(old, new, before, after, place, depth)
        return
    for kind in sorted(_types(old) - _types(new)):
        yield place, f"the type {kind}"
    yield from ((place, what) for what in (*_fewer_values(old, new), *_narrower(old, new)))
    for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
        yield f"{place}/{name}", "leaving it out"
    if new.get("additionalProperties") is False and old.get("additionalProperties") is not False and _is_object(old):
        yield place, "a member that isn't named"
    for step, mine, other in _inner(old, new):
        yield from less(mine, other, before, after, f"{place}/{step}", depth + 1)


def _inner(old: Schema, new: Schema) -> Iterator[tuple[str, Schema, Schema]]:
    """The schemas of members and items that both have."""
    for name, one in old.get("properties", {}).items():
        if name in new.get("properties", {}):
            yield name, one, new["properties"][name]
    for key in ("items", "additionalProperties"):
        if isinstance(old.get(key), dict) and isinstance(new.get(key), dict):
            yield "*", old[key], new[key]


def _fewer_kinds(old: Schema, new: Schema, before: Side, after: Side, place: str, depth: int) -> Found:
    """Each alternative of `old` must be within one of `new`."""
    kinds = new.get("oneOf", [new])
    for number, one in enumerate(old.get("oneOf", [old])):
        if not any(_is_within(one, kind, before, after, depth) for kind in kinds):
            yield place, f"the alternative {one.get('$ref', number)}"


def _is_within(old: Schema, new: Schema, before: Side, after: Side, depth: int) -> bool:
    return not any(less(old, new, before, after, "", depth + 1))


def _types(schema: Schema) -> frozenset[str]:
    if "type" not in schema:
        return frozenset({"null"}) if schema.get("const", ...) is None else _ALL_TYPES
    named = schema["type"]
    found = {named} if isinstance(named, str) else set(named)
    return frozenset(found | {"integer"} if "number" in found else found)


def _fewer_values(old: Schema, new: Schema) -> Iterator[str]:
    mine, other = (set(map(repr, side.get("enum", [side["const"]] if "const" in side else []))) for side in (old, new))
    if other and not mine:
        yield "another value than " + ", ".join(sorted(other))
    if other and mine:
        yield from (f"the value {value}" for value in sorted(mine - other))


def _narrower(old: Schema, new: Schema) -> Iterator[str]:
    for key in _LOWER:
        if key in new and new[key] > old.get(key, float("-inf")):
            yield f"a {key} below {new[key]}"
    for key in _UPPER:
        if key in new and new[key] < old.get(key, float("inf")):
            yield f"a {key} above {new[key]}"
    for key in ("pattern", "format"):
        if key in new and new[key] != old.get(key):
            yield f"another {key} than {new[key]}"


def _is_object(schema: Schema) -> bool:
    return "object" in _types(schema)
