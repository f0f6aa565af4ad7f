"""An entry of the trail in the words of the API: the fields of a resource's representation, in its formats."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import Model
from rest_framework import serializers

from access.database import ROLE_PREFIX
from access.masks import Mask, personal
from access.policy import MATRIX_ROLES, Caller
from access.querysets import resource_of
from api.resources.serializers import CanonicalURL, Reference, ResourceSerializer
from audit.models import Entry

ACTIONS = {"insert": "create", "update": "update", "delete": "delete"}

# What goes without saying: the entry tells both, and the key is that of the path.
_UNTOLD = frozenset({"id", "updated_at", "version"})

Target = tuple[type[Model], str, int]  # a model, the column that names its rows, a key


class RepresentedField(NamedTuple):
    """A field of the representation, and the column that holds it. `model` and `naming` are those of a reference."""

    name: str
    column: str
    field: serializers.Field
    mask: Mask | None
    model: type[Model] | None = None
    naming: str = ""


class Reader(NamedTuple):
    """A caller who reads entries. `known` is none for colleagues, and whom a partner may be told of by name."""

    is_masked: bool
    known: frozenset[int] | None = None

    def knows(self, entry: Entry) -> bool:
        return entry.actor_id is not None and (self.known is None or entry.actor_id in self.known)

    def actor(self, entry: Entry) -> Target:
        """Colleagues are named by username: a display name is its owner's to choose, and could be a colleague's. A partner
        learns no username, which is half of a login, but the name that the object itself shows."""
        return get_user_model(), "username" if self.known is None else "display_name", entry.actor_id or 0


@cache
def told(serializer: type[ResourceSerializer]) -> tuple[RepresentedField, ...]:
    """What of a row is told: the fields that are columns of its own. What comes from its parents is their history."""
    model: type[Model] = serializer.Meta.model
    columns = {field.name: field for field in model._meta.concrete_fields}
    masks = personal(model)
    found = []
    for name, field in serializer().fields.items():
        path = field.path if isinstance(field, Reference) else field.source
        if field.write_only or isinstance(field, CanonicalURL) or name in _UNTOLD or path not in columns:
            continue
        reference = (columns[path].related_model, field.column) if isinstance(field, Reference) else ()
        found.append(RepresentedField(name, str(columns[path].column), field, masks.get(path), *reference))
    return tuple(found)


def role_in_words(role: str) -> str:
    """`eecrm_sales` is sales; whoever entered no role is told by the login role's own name."""
    word = role.removeprefix(ROLE_PREFIX)
    return word if word in MATRIX_ROLES else role


class Names:
    """How accounts and parents are called today: one statement for each of their models."""

    def __init__(self, user: Caller, targets: Iterable[Target]) -> None:
        self._names: dict[Target, str] = {}
        keys: dict[tuple[type[Model], str], set[int]] = {}
        for model, naming, key in targets:
            keys.setdefault((model, naming), set()).add(key)
        for (model, naming), wanted in keys.items():
            rows: Any = model._default_manager.all()
            if resource_of(model) in settings.RESOURCES:
                rows = rows.visible_to(user)
            found = rows.filter(pk__in=wanted).values_list("pk", naming)
            self._names |= {(model, naming, key): name for key, name in found}

    def reference(self, target: Target, member: str, default: str | None = None) -> dict[str, Any]:
        return {"id": target[2], member: self._names.get(target, default)}


def changed_fields(entry: Entry, fields: tuple[RepresentedField, ...]) -> Iterator[tuple[RepresentedField, Any, Any]]:
    """Each field that this write changed, with its old and new value as stored. Of a row that begins or ends, what isn't empty."""
    old, new = entry.old or {}, entry.new or {}
    for one in fields:
        if one.column not in old and one.column not in new:
            continue
        before, after = old.get(one.column), new.get(one.column)
        if any(value not in (None, "") for value in (before, after)):
            yield one, before, after


def targets(entries: list[Entry], fields: tuple[RepresentedField, ...], reader: Reader) -> Iterator[Target]:
    """Every row whose name these entries need."""
    for entry in entries:
        if reader.knows(entry):
            yield reader.actor(entry)
        for one, *values in (change for change in changed_fields(entry, fields) if change[0].model):
            yield from ((one.model, one.naming, value) for value in values if value is not None)  # type: ignore[misc]  # asked above


def represented(entry: Entry, fields: tuple[RepresentedField, ...], names: Names, reader: Reader) -> dict[str, Any]:
    """One entry as the API tells it. An account that is gone is called as it was called then."""
    role = role_in_words(entry.role)
    return {
        "id": entry.pk,
        "at": entry.at.astimezone(UTC).isoformat(),
        "action": ACTIONS[entry.operation],
        "actor": names.reference(reader.actor(entry), "name", entry.actor_name) if reader.knows(entry) else None,
        # The login of a colleague at PostgreSQL is a name, too.
        "role": role if reader.known is None or role in MATRIX_ROLES else "",
        "channel": entry.channel,
        "request_id": entry.request_id or "",
        "caller_request_id": entry.caller_request_id or "",
        "reason": entry.reason or "",
        "version": (entry.new or {}).get("version"),
        "changes": [
            {
                "field": one.name,
                "old": _value(one, before, names, reader.is_masked),
                "new": _value(one, after, names, reader.is_masked),
            }
            for one, before, after in changed_fields(entry, fields)
        ],
    }


def _value(one: RepresentedField, value: Any, names: Names, is_masked: bool) -> Any:
    match one.field:
        case _ if value is None:
            return None
        case Reference() as reference if one.model:
            return names.reference((one.model, one.naming, value), reference.key)
        case _ if one.mask and is_masked:
            return one.mask.of(value)
        case serializers.DecimalField() as field:
            return f"{Decimal(value):.{field.decimal_places}f}"
        case serializers.DateTimeField():
            return _in_utc(value)
    return value


def _in_utc(text: str) -> str:
    """A time of the trail, which is written in the time zone of whoever wrote it (psql's, for one)."""
    if text.endswith("+00:00"):
        return text
    try:
        return datetime.fromisoformat(text).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):  # infinity
        return text
