"""Represents a trail entry in the API. Changed fields have the same names and formats as in the resource itself."""

from collections.abc import Iterable, Iterator
from datetime import datetime
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
from api.times import format_moment
from audit.models import Entry

ACTIONS = {"insert": "create", "update": "update", "delete": "delete"}

# The list of changes leaves out these fields, because the entry has the time and version, and the URL has the id.
_OMITTED_FIELDS = frozenset({"id", "updated_at", "version"})

Target = tuple[type[Model], str, int]  # (model, name column, row key), such as (User, "username", 4)


class RepresentedField(NamedTuple):
    """A field of a resource's representation, and the column that stores the field.

    A reference to another row also has the other row's `model`, and `naming`: the column with the other row's name.
    """

    name: str
    column: str
    field: serializers.Field
    mask: Mask | None
    model: type[Model] | None = None
    naming: str = ""


class Reader(NamedTuple):
    """A caller who reads trail entries.

    `known` are the ids of accounts whose names a partner may see. `known` is None for colleagues, who see all names.
    """

    is_masked: bool
    known: frozenset[int] | None = None

    def knows(self, entry: Entry) -> bool:
        return entry.actor_id is not None and (self.known is None or entry.actor_id in self.known)

    def actor(self, entry: Entry) -> Target:
        """Returns the account that made the change, and the column with the name to show.

        Colleagues see the username, because a user could choose a colleague's name as the display name.
        Partners see the display name, as in the object itself, because a username is half of a login.
        """
        return get_user_model(), "username" if self.known is None else "display_name", entry.actor_id or 0


@cache
def recorded_fields(serializer: type[ResourceSerializer]) -> tuple[RepresentedField, ...]:
    """Returns the fields whose changes the history shows: fields that are stored in columns of the row itself.

    Changes of fields that come from a parent row are in the parent's history.
    """
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
    """Returns a PostgreSQL role as users see it, for example "eecrm_sales" -> "sales". Login roles stay as they are."""
    word = role.removeprefix(ROLE_PREFIX)
    return word if word in MATRIX_ROLES else role


class Names:
    """The current names of accounts and parent rows, read with one query for each model and name column."""

    def __init__(self, user: Caller, targets: Iterable[Target]) -> None:
        self._names: dict[Target, str] = {}
        keys: dict[tuple[type[Model], str], set[int]] = {}
        for model, naming, key in targets:
            keys.setdefault((model, naming), set()).add(key)
        for (model, naming), wanted in keys.items():
            rows: Any = model._default_manager.all()
            if resource_of(model) in settings.RESOURCES:
                rows = rows.visible_to(user)
            named = rows.filter(pk__in=wanted).values_list("pk", naming)
            self._names |= {(model, naming, key): name for key, name in named}

    def reference(self, target: Target, member: str, default: str | None = None) -> dict[str, Any]:
        return {"id": target[2], member: self._names.get(target, default)}


def changed_fields(entry: Entry, fields: tuple[RepresentedField, ...]) -> Iterator[tuple[RepresentedField, Any, Any]]:
    """Yields each field that the entry changed, with its stored old and new value.

    For an insert or a deletion, yields only the fields that aren't empty.
    """
    old, new = entry.old or {}, entry.new or {}
    for field in fields:
        if field.column not in old and field.column not in new:
            continue
        before, after = old.get(field.column), new.get(field.column)
        if any(value not in (None, "") for value in (before, after)):
            yield field, before, after


def targets(entries: list[Entry], fields: tuple[RepresentedField, ...], reader: Reader) -> Iterator[Target]:
    """Yields every account and related row whose name the representation of these entries shows."""
    for entry in entries:
        if reader.knows(entry):
            yield reader.actor(entry)
        for field, *values in changed_fields(entry, fields):
            if field.model:
                yield from ((field.model, field.naming, value) for value in values if value is not None)


def represented(entry: Entry, fields: tuple[RepresentedField, ...], names: Names, reader: Reader) -> dict[str, Any]:
    """Returns an entry as the API shows it. A deleted account has the name from the time of the entry."""
    role = role_in_words(entry.role)
    return {
        "id": entry.pk,
        "at": format_moment(entry.at),
        "action": ACTIONS[entry.operation],
        "actor": names.reference(reader.actor(entry), "name", entry.actor_name) if reader.knows(entry) else None,
        # Partners don't see PostgreSQL login roles, because these may contain the name of a colleague.
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
            return _moment(value)
    return value


def _moment(text: str) -> str:
    """Formats a moment from the trail as in other answers. If a psql session wrote it, it may have any time zone."""
    try:
        return format_moment(datetime.fromisoformat(text))
    except (ValueError, OverflowError):  # PostgreSQL's `infinity`, which has no time zone
        return text
