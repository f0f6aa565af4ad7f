"""Representation of a trail entry in the API: the fields of the resource's own representation, in the same formats."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.db.models import Model
from rest_framework import serializers

from access.database import ROLE_PREFIX
from access.masks import Mask, personal
from access.policy import CONTACT_RESOURCES, MATRIX_ROLES, Caller
from access.querysets import resource_of
from api.resources.serializers import CanonicalURL, Reference, ResourceSerializer
from audit.models import Entry

ACTIONS = {"insert": "create", "update": "update", "delete": "delete"}

# Fields that are left out: the entry itself has the time and the version, and the path has the key.
_OMITTED_FIELDS = frozenset({"id", "updated_at", "version"})

Target = tuple[type[Model], str, int]  # model, column with the name of a row, key of the row


class RepresentedField(NamedTuple):
    """A field of the representation, and the column that holds it.

    A reference also has the `model` of the related row, and `naming`, the column with that row's name.
    """

    name: str
    column: str
    field: serializers.Field
    mask: Mask | None
    model: type[Model] | None = None
    naming: str = ""


class Reader(NamedTuple):
    """A caller who reads entries. `known` are the accounts that a partner may see by name; None for colleagues."""

    is_masked: bool
    known: frozenset[int] | None = None

    def knows(self, entry: Entry) -> bool:
        return entry.actor_id is not None and (self.known is None or entry.actor_id in self.known)

    def actor(self, entry: Entry) -> Target:
        """The account that wrote the entry, and the column of the name to show.

        Colleagues see the username, because users choose their display name and could choose a colleague's.
        Partners see the display name, as in the object itself, because a username is half of a login.
        """
        return get_user_model(), "username" if self.known is None else "display_name", entry.actor_id or 0


@cache
def told(serializer: type[ResourceSerializer]) -> tuple[RepresentedField, ...]:
    """The fields whose changes are shown: the row's own columns. Fields of its parents are in the parents' history."""
    model: type[Model] = serializer.Meta.model
    columns = {field.name: field for field in model._meta.concrete_fields}
    masks = personal(model)
    represented_fields = []
    for name, field in serializer().fields.items():
        path = field.path if isinstance(field, Reference) else field.source
        if field.write_only or isinstance(field, CanonicalURL) or name in _OMITTED_FIELDS or path not in columns:
            continue
        reference = (columns[path].related_model, field.column) if isinstance(field, Reference) else ()
        column = str(columns[path].column)
        represented_fields.append(RepresentedField(name, column, field, masks.get(path), *reference))
    return tuple(represented_fields)


def role_in_words(role: str) -> str:
    """The role without its prefix (`eecrm_sales` -> sales). Without an entered role, the login role's full name."""
    word = role.removeprefix(ROLE_PREFIX)
    return word if word in MATRIX_ROLES else role


class Names:
    """Current names of accounts and parent rows, read with one query for each model and name column."""

    def __init__(self, user: Caller, targets: Iterable[Target]) -> None:
        self._names: dict[Target, str] = {}
        keys: dict[tuple[type[Model], str], set[int]] = {}
        for model, naming, key in targets:
            keys.setdefault((model, naming), set()).add(key)
        for (model, naming), wanted in keys.items():
            rows: Any = model._default_manager.all()
            if resource_of(model) in CONTACT_RESOURCES:
                rows = rows.visible_to(user)
            named = rows.filter(pk__in=wanted).values_list("pk", naming)
            self._names |= {(model, naming, key): name for key, name in named}

    def reference(self, target: Target, member: str, default: str | None = None) -> dict[str, Any]:
        return {"id": target[2], member: self._names.get(target, default)}


def changed_fields(entry: Entry, fields: tuple[RepresentedField, ...]) -> Iterator[tuple[RepresentedField, Any, Any]]:
    """Each field that the entry changed, with its old and new value as stored.

    An insert or a deletion yields only the fields that aren't empty.
    """
    old, new = entry.old or {}, entry.new or {}
    for field in fields:
        if field.column not in old and field.column not in new:
            continue
        before, after = old.get(field.column), new.get(field.column)
        if any(value not in (None, "") for value in (before, after)):
            yield field, before, after


def targets(entries: list[Entry], fields: tuple[RepresentedField, ...], reader: Reader) -> Iterator[Target]:
    """Every row whose name is needed to represent these entries."""
    for entry in entries:
        if reader.knows(entry):
            yield reader.actor(entry)
        for field, *values in changed_fields(entry, fields):
            if field.model:
                yield from ((field.model, field.naming, value) for value in values if value is not None)


def represented(entry: Entry, fields: tuple[RepresentedField, ...], names: Names, reader: Reader) -> dict[str, Any]:
    """One entry as the API returns it. A deleted account has the name that it had when the entry was written."""
    role = role_in_words(entry.role)
    return {
        "id": entry.pk,
        "at": entry.at.astimezone(UTC).isoformat(),
        "action": ACTIONS[entry.operation],
        "actor": names.reference(reader.actor(entry), "name", entry.actor_name) if reader.knows(entry) else None,
        # Partners don't see a PostgreSQL login role, because it may be the name of a colleague.
        "role": role if reader.known is None or role in MATRIX_ROLES else "",
        "channel": entry.channel,
        "request_id": entry.request_id or "",
        "caller_request_id": entry.caller_request_id or "",
        "reason": entry.reason or "",
        "version": (entry.new or {}).get("version"),
        "changes": [
            {
                "field": field.name,
                "old": _value(field, before, names, reader.is_masked),
                "new": _value(field, after, names, reader.is_masked),
            }
            for field, before, after in changed_fields(entry, fields)
        ],
    }


def _value(field: RepresentedField, value: Any, names: Names, is_masked: bool) -> Any:
    match field.field:
        case _ if value is None:
            return None
        case Reference() as reference if field.model:
            return names.reference((field.model, field.naming, value), reference.key)
        case _ if field.mask and is_masked:
            return field.mask.of(value)
        case serializers.DecimalField() as decimal:
            return f"{Decimal(value):.{decimal.decimal_places}f}"
        case serializers.DateTimeField():
            return _in_utc(value)
    return value


def _in_utc(text: str) -> str:
    """Convert a stored time to UTC. The trail keeps it in the time zone of the session that wrote it (psql's, say)."""
    if text.endswith("+00:00"):
        return text
    try:
        return datetime.fromisoformat(text).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):  # PostgreSQL's `infinity`
        return text
