"""Reads the rows of a resource. Each query is compiled once for all callers with the same rights (`Look`, ADR 18)."""

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, ClassVar, NamedTuple

from django.db.models import Model
from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from access import policy
from access.compiled_queries import Anybody, InstanceStatement, Slot, Statement
from access.policy import Rule, Scope, role_of
from access.request_rules import rule_for
from api.requests.renderers import JSONText
from api.resources.conditional import Representation
from api.resources.filters import Narrowing, ResourceFilterSet
from api.resources.pagination import MAX_TERMS, PageBounds, page
from api.resources.search import SearchableQuerySet
from api.resources.serializers import API_ROOT, ResourceSerializer

# Compiled queries have these parameters: the API's URL, the row's id, and the values after which a page begins.
_ROOT, _KEY = Slot("root"), Slot("pk")
_AFTER = tuple(Slot(f"after{number}") for number in range(MAX_TERMS))


class Parent(NamedTuple):
    """A parent in a nested path. For example, an event's parent is `Parent("contract", Contract, "contract_id")`.

    `keyword` is the parent's keyword argument in the URL pattern. `lookup` leads from a row to the parent's id.
    """

    keyword: str
    model: type[Model]
    lookup: str


class ReadingViewSet(GenericViewSet):
    """Lists and finds the rows that are visible to the caller and belong to the parents in the URL path."""

    resource: ClassVar[str]
    parents: ClassVar[tuple[Parent, ...]] = ()  # outermost first; a new row refers to the last parent, the nearest
    filterset_class: ClassVar[type[ResourceFilterSet] | None] = None
    ordering_fields: ClassVar[tuple[str, ...]] = ("id", "created_at", "updated_at")
    default_ordering: ClassVar[str] = "-id"
    serializer_class: type[ResourceSerializer]

    @classmethod
    def rows(cls, rule: Rule, keys: dict[str, Any]) -> Any:
        """Returns the rows on which `rule.caller` may do `rule.action`.

        `keys` has the ids of the parents in the path.
        """
        rows: Any = cls.queryset.all()  # type: ignore[union-attr]  # each resource has a queryset
        lookups = {parent.lookup: keys[parent.keyword] for parent in cls.parents if parent.keyword in keys}
        return rows.permitted_by(rule).filter(**lookups)

    @property
    def model(self) -> type[Model]:
        return self.serializer_class.Meta.model

    def get_queryset(self) -> Any:
        """Returns the rows that are visible to the caller and belong to the parents in the URL path."""
        return self.rows(self._read_rule(), self.kwargs)

    def list(self, request: Request, **kwargs: Any) -> Response:
        self._parent()
        is_searchable = isinstance(type(self).queryset, SearchableQuerySet)
        narrowing = Narrowing.of(request, self.filterset_class, masked=self._masked, is_searchable=is_searchable)
        allowed, default = self.ordering_fields, self.default_ordering
        return Response(page(ListedRows(self, narrowing), request, self.model, allowed=allowed, default=default))

    def _parents_in_path(self) -> tuple[Parent, ...]:
        return tuple(parent for parent in self.parents if parent.keyword in self.kwargs)

    def _parent(self) -> Any:
        """Returns the nearest parent in the URL path; None if the path has no parent.

        This parent must belong to the outer parents in the path.
        Raises Http404 if the parent doesn't exist or isn't visible to the caller.
        """
        parents = self._parents_in_path()
        if not parents:
            return None
        nearest, outer_parents = parents[-1], parents[:-1]
        user: Any = self.request.user
        lookups = {
            outer.keyword: outer.lookup.removeprefix(nearest.lookup.removesuffix("_id") + "__")
            for outer in outer_parents
        }
        # The caller stands in for colleagues, so the visible rows don't depend on the role alone.
        # So the query that is compiled once for the role can't be used for this caller.
        if user.covered_ids:
            rows = _below(nearest.model, user, {lookup: self.kwargs[keyword] for keyword, lookup in lookups.items()})
            row = rows.filter(pk=self.kwargs[nearest.keyword]).first()
        else:
            caller = Anybody(role_of(user), user.group_names)
            statement = parent_statement(nearest.model, caller, tuple(lookups.items()))
            row = statement.first(self.kwargs | {"pk": self.kwargs[nearest.keyword], "caller": user.pk})
        if row is None:
            raise Http404
        return row

    def _read_rule(self) -> Rule:
        """Returns the policy rule for finding rows.

        The list uses the rule of the action "list". All other views use the rule of the action "retrieve".
        """
        return rule_for(self.request, self.resource, "list" if self.action == "list" else "retrieve")

    @property
    def _masked(self) -> bool:
        return rule_for(self.request, "personal_data", "retrieve").scope is Scope.NONE

    def _root(self) -> str:
        return self.request.build_absolute_uri(API_ROOT)

    def _look(self) -> "Look | None":
        """Returns the cache key of the compiled query; None if the caller stands in for colleagues on leave.

        The rows that such a caller sees depend on the person and not only on the role.
        """
        user: Any = self.request.user
        rule = self._read_rule()
        if rule.scope is Scope.OWN and user.covered_ids:
            return None
        caller = Anybody(rule.role, user.group_names)
        keywords = tuple(parent.keyword for parent in self._parents_in_path())
        return Look(type(self), caller, rule.action, keywords, self._masked)

    def _query_values(self) -> dict[str, Any]:
        """Returns the values of a compiled query's parameters, by parameter name."""
        return self.kwargs | {"root": self._root(), "caller": self.request.user.pk}

    def _visible_representation(self) -> Representation:
        """Returns the row in the path as the caller may see it.

        Raises Http404 if the row doesn't exist or isn't visible.
        """
        if look := self._look():
            return _first_representation(item_statement(look).rows(self._query_values()))
        rows = self.get_queryset().filter(pk=self.kwargs["pk"])
        row = self.serializer_class.row(self._root(), masked=self._masked)
        return _first_representation(rows.values_list(row, "version"))

    def get_object(self) -> Any:
        """Returns the row in the path, after checks of visibility (404) and permission (403)."""
        if (look := self._look()) is None:
            return super().get_object()
        row = instance_statement(look).first(self._query_values())
        if row is None:
            raise Http404
        self.check_object_permissions(self.request, row)
        return row

    def _checked_representation(self, key: int) -> Representation:
        """Returns the representation of a row whose visibility is already checked."""
        statement = item_statement(Look(type(self), None, "retrieve", (), self._masked))
        return _first_representation(statement.rows(self._query_values() | {"pk": key}))


@dataclass(frozen=True)
class ListedRows:
    """Reads and counts the rows of one list request, for `pagination.page`.

    A query without filters is compiled once and reused.
    """

    view: ReadingViewSet
    narrowing: Narrowing | None

    def count(self) -> int:
        number: int = self._narrowed().count()
        return number

    def read(self, bounds: PageBounds, values: tuple[Any, ...]) -> Any:
        view = self.view
        if self.narrowing is None and (look := view._look()):
            after = {slot.value: value for slot, value in zip(_AFTER[: len(values)], values, strict=True)}
            return page_statement(look, bounds).rows(view._query_values() | after)
        return bounds.of(self._narrowed(), values, view.serializer_class.row(view._root(), masked=view._masked))

    def _narrowed(self) -> Any:
        rows = self.view.get_queryset()
        return self.narrowing.of_rows(rows) if self.narrowing else rows


def _first_representation(rows: Any) -> Representation:
    """Returns the JSON representation of the first row. Raises Http404 if there is no row."""
    for body, version in rows:
        return Representation(JSONText(body), version)
    raise Http404


class Look(NamedTuple):
    """Cache key of a compiled query: everything that changes the query's SQL, except the order and size of a page.

    `caller` stands for all users with the same role and groups. `caller` is None if the view has already checked that
    the user may see the row. `action` is an action of the policy. `parents` are the URL pattern's keyword arguments for
    the parents, such as `client`.
    """

    viewset: type[ReadingViewSet]
    caller: Anybody | None
    action: str
    parents: tuple[str, ...]
    is_masked: bool

    def rows(self) -> Any:
        if self.caller is None:
            return self.viewset.queryset.all()  # type: ignore[union-attr]  # each resource has a queryset
        rule = policy.rule(self.caller, self.viewset.resource, self.action)
        return self.viewset.rows(rule, {keyword: Slot(keyword) for keyword in self.parents})

    def row(self) -> Any:
        return self.viewset.serializer_class.row(_ROOT, masked=self.is_masked)


# The cache has an entry for each look (kind of query), order and page size.
# This cache of compiled queries drops the least recently used entries.
@lru_cache(maxsize=1_000)
def page_statement(look: Look, bounds: PageBounds) -> Statement:
    """Compiles the SQL query of a page. The query's columns are the row as JSON and the ordering fields."""
    return Statement.of(bounds.of(look.rows(), _AFTER[: len(bounds.order)], look.row()))


@lru_cache(maxsize=1_000)
def item_statement(look: Look) -> Statement:
    """Compiles the SQL query that reads one row. The query's columns are the row as JSON and its version."""
    return Statement.of(look.rows().filter(pk=_KEY).order_by().values_list(look.row(), "version")[:1])


@lru_cache(maxsize=1_000)
def instance_statement(look: Look) -> InstanceStatement:
    """Compiles the SQL query that reads one row as an instance of its model."""
    return InstanceStatement.of(look.rows().filter(pk=_KEY).order_by())


def _below(model: type[Model], caller: Any, keys: dict[str, Any]) -> Any:
    """Returns the rows of a parent's model that are visible to the caller and belong to the outer parents in `keys`."""
    manager: Any = model._default_manager
    return manager.visible_to(caller).filter(**keys)


@lru_cache(maxsize=1_000)
def parent_statement(model: type[Model], caller: Anybody, outer: tuple[tuple[str, str], ...]) -> InstanceStatement:
    """Compiles the SQL query that reads a parent row.

    `outer` has a pair such as `("client", "client_id")` for each parent of the parent in a nested URL. The pair names the
    keyword argument with this row's id in the URL pattern, and the ORM lookup that leads from the parent row to this id.
    """
    keys = {lookup: Slot(keyword) for keyword, lookup in outer}
    return InstanceStatement.of(_below(model, caller, keys).filter(pk=_KEY).order_by())


@cache
def lock_statement(model: type[Model]) -> InstanceStatement:
    """Compiles the SQL query that locks one row.

    Row security applies to this query, but the policy in Python doesn't.
    """
    return InstanceStatement.of(model._default_manager.select_for_update().filter(pk=_KEY).order_by())
