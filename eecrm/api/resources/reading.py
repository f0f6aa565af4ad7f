"""How the rows of a resource are read: in one statement, compiled once for all who look at them in the same way (ADR 18)."""

from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

from django.db.models import Model
from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from access import policy
from access.compiled_queries import Anybody, Slot, Statement
from access.policy import Caller, Scope
from api.requests.renderers import JSONText
from api.resources.conditional import Representation
from api.resources.filters import ResourceFilterSet, narrowing
from api.resources.pagination import MOST_TERMS, PageBounds, page
from api.resources.serializers import API_ROOT, ResourceSerializer

_ROOT, _KEY = Slot("root"), Slot("pk")
_AFTER = tuple(Slot(f"after{number}") for number in range(MOST_TERMS))


class Parent(NamedTuple):
    """A step of a nested path: `keyword` of the URL, the model there, and how a row of ours leads to it."""

    keyword: str
    model: type[Model]
    lookup: str


class ReadingViewSet(GenericViewSet):
    """Lists and finds the rows that the caller sees, below the parents that the path names."""

    resource: ClassVar[str]
    parents: ClassVar[tuple[Parent, ...]] = ()  # outermost first; the last one is written into new rows
    filterset_class: ClassVar[type[ResourceFilterSet] | None] = None
    ordering_fields: ClassVar[tuple[str, ...]] = ("id", "created_at", "updated_at")
    default_ordering: ClassVar[str] = "-id"
    serializer_class: type[ResourceSerializer]

    @classmethod
    def rows(cls, who: Caller, action: str, keys: dict[str, Any]) -> Any:
        """What this caller sees with an action of the policy, below the parents of these keys."""
        rows: Any = cls.queryset.all()  # type: ignore[union-attr]  # each resource has one
        lookups = {step.lookup: keys[step.keyword] for step in cls.parents if step.keyword in keys}
        return rows.visible_to(who, action=action).filter(**lookups)

    @property
    def model(self) -> type[Model]:
        return self.serializer_class.Meta.model

    def get_queryset(self) -> Any:
        """The caller's visible rows below the parents that the path names."""
        return self.rows(self.request.user, self._looking(), self.kwargs)

    def list(self, request: Request, **kwargs: Any) -> Response:
        self._parent()
        narrow = narrowing(request, self.filterset_class, masked=self._masked())
        look = None if narrow else self._look()

        def rows() -> Any:
            return narrow(self.get_queryset()) if narrow else self.get_queryset()

        def read(place: PageBounds, values: tuple[Any, ...]) -> Any:
            if look is None:
                return place.of(rows(), values, self.serializer_class.row(self._root(), masked=self._masked()))
            beyond = {slot.value: value for slot, value in zip(_AFTER[: len(values)], values, strict=True)}
            return page_statement(look, place).rows(self._values() | beyond)

        allowed, default = self.ordering_fields, self.default_ordering
        return Response(page(read, lambda: rows().count(), request, self.model, allowed=allowed, default=default))

    def _steps(self) -> tuple[Parent, ...]:
        return tuple(step for step in self.parents if step.keyword in self.kwargs)

    def _parent(self) -> Any:
        """The visible parent that a nested path names, reached through its own parents; None on a flat path."""
        steps = self._steps()
        if not steps:
            return None
        nearest, outer = steps[-1], steps[:-1]
        above = {
            step.lookup.removeprefix(nearest.lookup.removesuffix("_id") + "__"): self.kwargs[step.keyword]
            for step in outer
        }
        rows = nearest.model._default_manager.visible_to(self.request.user)  # type: ignore[attr-defined]  # a noun's manager
        if (parent := rows.filter(pk=self.kwargs[nearest.keyword], **above).first()) is None:
            raise Http404
        return parent

    def _looking(self) -> str:
        return "list" if self.action == "list" else "retrieve"

    def _masked(self) -> bool:
        return not policy.sees_personal_data(self.request.user)

    def _root(self) -> str:
        return self.request.build_absolute_uri(API_ROOT)

    def _look(self) -> "Look | None":
        """The look of everybody who sees what the caller sees; None while they own more than others, as somebody's cover."""
        user: Any = self.request.user
        scope = policy.rule(user, self.resource, self._looking()).scope
        if scope is Scope.OWN and user.covered_ids:
            return None
        who = Anybody(policy.role_of(user), user.group_names)
        return Look(type(self), who, self._looking(), tuple(step.keyword for step in self._steps()), self._masked())

    def _values(self) -> dict[str, Any]:
        return self.kwargs | {"root": self._root(), "caller": self.request.user.pk}

    def _seen(self) -> Representation:
        """The row that the path names, as the caller sees it. Raises Http404."""
        if look := self._look():
            return _one(item_statement(look).rows(self._values()))
        rows = self.get_queryset().filter(pk=self.kwargs["pk"])
        return _one(rows.values_list(self.serializer_class.row(self._root(), masked=self._masked()), "version"))

    def _written(self, key: int) -> Representation:
        """A row of which it was checked that the caller sees it."""
        statement = item_statement(Look(type(self), None, "retrieve", (), self._masked()))
        return _one(statement.rows(self._values() | {"pk": key}))


def _one(rows: Any) -> Representation:
    for body, version in rows:
        return Representation(JSONText(body), version)
    raise Http404


class Look(NamedTuple):
    """What shapes a statement about rows of a resource: who looks with which action of the policy (None at a row that was
    checked already), below which parents, and whether personal data is masked."""

    viewset: type[ReadingViewSet]
    who: Anybody | None
    action: str
    steps: tuple[str, ...]
    is_masked: bool

    def rows(self) -> Any:
        if self.who is None:
            return self.viewset.queryset.all()  # type: ignore[union-attr]  # as above
        return self.viewset.rows(self.who, self.action, {keyword: Slot(keyword) for keyword in self.steps})

    def row(self) -> Any:
        return self.viewset.serializer_class.row(_ROOT, masked=self.is_masked)


# Each way to look, order and size of a page is one. What nobody asks for any more makes room.
@lru_cache(maxsize=1_000)
def page_statement(look: Look, place: PageBounds) -> Statement:
    """Rows, rendered; then what they are ordered by."""
    return Statement.of(place.of(look.rows(), _AFTER[: len(place.order)], look.row()))


@lru_cache(maxsize=1_000)
def item_statement(look: Look) -> Statement:
    """One row, rendered, and its version."""
    return Statement.of(look.rows().filter(pk=_KEY).order_by().values_list(look.row(), "version")[:1])
