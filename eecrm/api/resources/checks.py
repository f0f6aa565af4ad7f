"""Django system checks of the API's resources.

An error says which declaration a resource lacks, with file and line (docs/extending.md).
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error
from rest_framework import serializers

from access import policy, sql_functions
from access.policy import MATRIX_ROLES, Role, Scope
from access.querysets import resource_of
from api.openapi.examples import of_serializer
from api.resources.registry import copied, model_of, recorded, table_of, viewsets
from config.environment import ROOT

_RECORD = ("version", "created_at", "updated_at")
# These fields need no description in the OpenAPI document, because their names suffice.
_KNOWN_BY_NAME = ("created_at", "updated_at")


class Fault(NamedTuple):
    id: str
    about: type[Any]  # the error shows file and line of this class
    sentence: str
    hint: str

    def message(self) -> CheckMessage:
        path, (_, line) = inspect.getsourcefile(self.about), inspect.getsourcelines(self.about)
        file = (path or "").removeprefix(f"{ROOT}/")
        return Error(f"{file}:{line}: {self.sentence}", hint=self.hint, id=self.id)


def every_resource_is_complete(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    return [
        fault.message() for name, viewset in viewsets().items() for check in _CHECKS for fault in check(name, viewset)
    ]


def _is_named(name: str, viewset: type[Any]) -> Iterator[Fault]:
    model, hint = model_of(viewset), "The name is the one in config/resources.py and in access/policy.py."
    if viewset.resource != name:
        yield Fault("api.E001", viewset, f"its resource is {viewset.resource}, and the list calls it {name}.", hint)
    if resource_of(model) != name:
        sentence = f"{model.__name__} has no manager of a PolicyQuerySet whose resource is {name}."
        yield Fault("api.E001", model, sentence, hint)
    for parent in viewset.parents:
        if parent.keyword not in viewsets():
            yield Fault("api.E001", viewset, f"its parent {parent.keyword} is no resource.", hint)


def _has_a_record(name: str, viewset: type[Any]) -> Iterator[Fault]:
    model = model_of(viewset)
    names = {field.name for field in model._meta.concrete_fields}
    for missing in (field for field in _RECORD if field not in names):
        hint = "ETags, copies and filters need version, created_at and updated_at (docs/extending.md)."
        yield Fault("api.E002", model, f"{model.__name__} has no field {missing}.", hint)


def _is_documented(name: str, viewset: type[Any]) -> Iterator[Fault]:
    serializer, filterset = viewset.serializer_class, viewset.filterset_class
    field_docs, hint = of_serializer(serializer, "field_docs"), "`field_docs` holds field: (description, example)."
    for field_name, field in serializer().fields.items():
        if field_name in field_docs or field_name in _KNOWN_BY_NAME or isinstance(field, serializers.ChoiceField):
            continue
        sentence = f"the field {field_name} has no description and example in Meta.field_docs."
        yield Fault("api.E003", serializer, sentence, hint)
    if not of_serializer(serializer, "patch"):
        yield Fault(
            "api.E003", serializer, "Meta.patch has no example of a PATCH.", "It may be `patch = {field: value}`."
        )
    for filter_name in filterset.base_filters if filterset else ():
        if filter_name not in filterset.field_docs:
            sentence = f"the filter {filter_name} has no description and example in field_docs."
            yield Fault("api.E003", filterset, sentence, "`field_docs` holds filter: (description, example).")
    for described in (viewset, model_of(viewset)):
        if not (described.__dict__.get("__doc__") or "").strip():
            yield Fault("api.E003", described, "it has no docstring, which the document shows.", "Write a sentence.")


def _is_kept_by_triggers(name: str, viewset: type[Any]) -> Iterator[Fault]:
    """Checks that SQL files create the triggers of the resource's table.

    `sources` maps the name of a trigger function, such as `record`, to one SQL text. This text has the function and the
    statements of all apps that create its triggers, so it names each table with such a trigger.
    """
    sources, table, model = sql_functions.sources(), table_of(viewset), model_of(viewset)
    folder = f"{apps.get_app_config(model._meta.app_label).name}/sql"

    def lacks(function: str, what: str) -> Fault:
        sentence = f"the table {table} has no trigger {what}."
        return Fault("api.E004", model, sentence, f"Write {folder}/{function}.sql (docs/extending.md).")

    if name in recorded() and not _names(sources["record"], table):
        yield lacks("record", "that writes its audit trail")
    if policy.knows(name, "restore") and not _names(sources["retire_key"], table):
        yield lacks("retire_key", "that keeps the key of a deleted row from coming back")
    if not _names(sources["keep_record"], table) and not any(
        f"require_restore('{name}'" in text for text in sources.values()
    ):
        yield lacks("keep_record", "that counts versions, and calls require_restore")


def _is_told_to_its_readers(name: str, viewset: type[Any]) -> Iterator[Fault]:
    """Checks that the SQL functions of the history and of `sync/` know each table whose rows partners may list.

    A partner may see only changes from the times when the row belonged to the partner. The functions `was_mine`
    (history) and `changes_of_mine` (`sync/`) find these times.

    No SQL function finds such times for another role. So the check also reports a resource with offline copies if
    another role may list only its own rows.
    """
    sources, table = sql_functions.sources(), table_of(viewset)
    readers = {role: policy.scope_of(name, "list", role) for role in MATRIX_ROLES}
    if readers[Role.EXTERNAL] is not Scope.NONE:
        for function, needing in (("was_mine", recorded()), ("changes_of_mine", copied())):
            if name in needing and f"'{table}'" not in sources[function]:
                sentence = f"partners see its rows, and the function {function} doesn't know when they were theirs."
                hint = f"Name {table} in sql/{function}.sql of the last app, or close *list* to partners in access/policy.py."
                yield Fault("api.E005", viewset, sentence, hint)
    for role, scope in readers.items():
        if name in copied() and scope is Scope.OWN and role is not Role.EXTERNAL:
            sentence = f"the role {role} lists its own rows alone, of which sync/ can't tell."
            yield Fault("api.E005", viewset, sentence, "Set has_offline_copies = False, or let the role list all rows.")


def _names(text: str, table: str) -> bool:
    return f" {table}\n" in text


_CHECKS: tuple[Callable[[str, type[Any]], Iterator[Fault]], ...] = (
    _is_named,
    _has_a_record,
    _is_documented,
    _is_kept_by_triggers,
    _is_told_to_its_readers,
)
