"""How a resource speaks HTTP. A viewset of a noun is a declaration on top of this."""

from typing import Any, ClassVar, NamedTuple

from django.db.models import Model
from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from access import policy
from access.permissions import Refused, policy_action
from access.policy import Caller, Scope
from access.querysets import is_within, owns, would_own
from access.statements import Anybody
from api import idempotency
from api.conditional import PreconditionFailed, Representation, mismatch
from api.deprecation import Deprecation
from api.filters import ResourceFilterSet, narrowing
from api.pagination import Place, page
from api.reading import Look, after, item_statement, page_statement
from api.renderers import JSONText
from api.serializers import API_ROOT, ResourceSerializer, differs


class Parent(NamedTuple):
    """A step of a nested path: `keyword` of the URL, the model there, and how a row of ours leads to it."""

    keyword: str
    model: type[Model]
    lookup: str


class ResourceViewSet(GenericViewSet):
    """List, create, retrieve, update and delete the rows of one resource of the policy table, nested or flat.

    Order of refusals: 401, 404 (invisible or missing, parents included), 403, 412, 400, 403 of an action finer than update,
    409 (`access-matrix.md`, Business rules; RFC 9110, section 13.2.1: preconditions come before the body is looked at).
    """

    resource: ClassVar[str]
    parents: ClassVar[tuple[Parent, ...]] = ()  # outermost first; the last one is written into new rows
    filterset_class: ClassVar[type[ResourceFilterSet] | None] = None
    ordering_fields: ClassVar[tuple[str, ...]] = ("id", "created_at", "updated_at")
    default_ordering: ClassVar[str] = "-id"
    deprecated: Deprecation | None = None
    # The rules of state that refuse an action of the policy with 409, for the OpenAPI document.
    conflicts: ClassVar[dict[str, tuple[str, ...]]] = {}
    serializer_class: type[ResourceSerializer]

    @classmethod
    def rows(cls, who: Caller, action: str, keys: dict[str, Any]) -> Any:
        """What this caller sees with an action of the policy, below the parents of these keys."""
        rows: Any = cls.queryset.all()
        lookups = {step.lookup: keys[step.keyword] for step in cls.parents if step.keyword in keys}
        return rows.visible_to(who, action=action).filter(**lookups)

    def get_queryset(self) -> Any:
        """The caller's visible rows below the parents that the path names."""
        return self.rows(self.request.user, self._looking(), self.kwargs)

    def list(self, request: Request, **kwargs: Any) -> Response:
        self._parent()
        narrow = narrowing(request, self.filterset_class, masked=self._masked())
        look = None if narrow else self._look()

        def rows() -> Any:
            return narrow(self.get_queryset()) if narrow else self.get_queryset()

        def read(place: Place, values: tuple[Any, ...]) -> Any:
            if look is None:
                return place.of(rows(), values, self._row())
            return page_statement(look, place).rows(self._values() | after(values))

        model, allowed = self.serializer_class.Meta.model, self.ordering_fields
        body = page(read, lambda: rows().count(), request, model, allowed=allowed, default=self.default_ordering)
        return Response(body)

    def retrieve(self, request: Request, **kwargs: Any) -> Response:
        found = self._seen()
        self._refuse_other_version(found.version)
        return found.answer_if_new(request)

    def create(self, request: Request, **kwargs: Any) -> Response:
        parent = self._parent()
        if parent is not None:
            self._refuse_foreign_parent(parent)
        key = idempotency.key_of(request)
        if key and (first := idempotency.claim(request, key)):
            return self._repeated(first)
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        self._refuse_for_others(serializer.validated_data)
        row = serializer.save(**({self.parents[-1].lookup.removesuffix("_id"): parent} if parent else {}))
        self.check_object_permissions(request, row)
        made = self._written(row.pk)
        response = made.answer(status=201, Location=self._location(row))
        if key:
            idempotency.keep(request, key, row.pk, response)
        return response

    def update(self, request: Request, *, partial: bool = False, **kwargs: Any) -> Response:
        row = self._locked()
        serializer = self.get_serializer(row, data=request.data, partial=partial)
        serializer.is_valid(raise_exception=True)
        self._refuse_finer_actions(row, serializer.validated_data)
        serializer.save()
        self.check_object_permissions(request, row)
        return self._written(row.pk).answer()

    def partial_update(self, request: Request, **kwargs: Any) -> Response:
        return self.update(request, partial=True, **kwargs)

    def destroy(self, request: Request, **kwargs: Any) -> Response:
        row = self._locked()
        deleted, _ = row.delete()
        if not deleted:
            raise Refused(policy.rule(request.user, self.resource, "delete"))  # row security saw no row of the caller's
        return Response(status=204)

    def require_visible(self) -> None:
        """404 unless what the path names is visible: asked before a 403, which would tell that it exists."""
        self._parent()
        if "pk" in self.kwargs:
            self._seen()

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

    def _locked(self) -> Any:
        """The row, seen (404), permitted (403) and then locked: locking first would hide a row one may only read. What its
        version is compared with (412) holds until the transaction ends."""
        row = self.get_object()
        locked = super().get_queryset().select_related(None).select_for_update().filter(pk=row.pk).first()
        if locked is None:
            # Deleted meanwhile, or given away: PostgreSQL locks for nobody what they may not change.
            self.get_object()
            raise Refused(policy.rule(self.request.user, self.resource, policy_action(self.action)))
        self.check_object_permissions(self.request, locked)  # it may have been given away while this request waited
        self._refuse_other_version(locked.version)
        return locked

    def _refuse_other_version(self, version: int) -> None:
        """412 where the caller asks for another version than this. Raises ValidationError for tags that are none."""
        if (found := mismatch(self.request, version)) is None:
            return
        since = found.known_version
        changed = None if since is None else self._changed_since(since)
        raise PreconditionFailed(found.sentence, self._written(self.kwargs["pk"]), changed)

    def _changed_since(self, version: int) -> tuple[str, ...] | None:
        """The fields that differ from how they were in this version; None where nobody can tell."""
        return None

    def _repeated(self, first: idempotency.FirstAnswer) -> Response:
        """The first answer, to whom it would be given today: the row must be visible (404), and one they may create (403)."""
        row = self.get_queryset().filter(pk=first.row_id).first()
        if row is None:
            raise Http404
        self.check_object_permissions(self.request, row)
        return first.again()

    def _refuse_foreign_parent(self, parent: Model) -> None:
        """What one owns follows its parent, so a refusal needs no saved row, and comes before any rule of state."""
        rule = policy.rule(self.request.user, self.resource, "create")
        if rule.scope is Scope.OWN and not owns(self.request.user, parent):
            raise Refused(rule)

    def _refuse_for_others(self, values: dict[str, Any]) -> None:
        """Asked before the row is saved, where a rule of state or PostgreSQL itself would speak first."""
        rule = policy.rule(self.request.user, self.resource, "create")
        if rule.scope is Scope.OWN and not would_own(self.request.user, super().get_queryset().model, values):
            raise Refused(rule)

    def _refuse_finer_actions(self, row: Model, changes: dict[str, Any]) -> None:
        for change in policy.FINER_THAN_UPDATE.get(self.resource, ()):
            if change.field not in changes or not differs(row, change.field, changes[change.field]):
                continue
            if change.to in (None, changes[change.field]) and not is_within(self.request.user, change.action, row):
                raise Refused(policy.rule(self.request.user, self.resource, change.action))

    def _masked(self) -> bool:
        return not policy.sees_personal_data(self.request.user)

    def _row(self) -> Any:
        return self.serializer_class.row(self._root(), masked=self._masked())

    def _root(self) -> str:
        return self.request.build_absolute_uri(API_ROOT)

    def _looking(self) -> str:
        return "list" if self.action == "list" else "retrieve"

    def _look(self) -> Look | None:
        """The look of everybody who sees what the caller sees; None while they see more than others, as somebody's cover."""
        user: Any = self.request.user
        scope = policy.rule(user, self.resource, self._looking()).scope
        if scope is Scope.OWN and user.covered_ids:
            return None
        steps = tuple(step.keyword for step in self._steps())
        return Look(type(self), Anybody.like(user), self._looking(), steps, self._masked())

    def _values(self) -> dict[str, Any]:
        return self.kwargs | {"root": self._root(), "caller": self.request.user.pk}

    def _seen(self) -> Representation:
        """The row that the path names, as the caller sees it. Raises Http404."""
        if look := self._look():
            return _one(item_statement(look).rows(self._values()))
        rows = self.get_queryset().filter(pk=self.kwargs["pk"])
        return _one(rows.values_list(self._row(), "version"))

    def _written(self, key: int) -> Representation:
        """A row of which it was checked that the caller sees it."""
        statement = item_statement(Look(type(self), None, "retrieve", (), self._masked()))
        return _one(statement.rows(self._values() | {"pk": key}))

    def _location(self, row: Model) -> str:
        return self.request.build_absolute_uri(f"{self.request.path}{row.pk}/")


def _one(rows: Any) -> Representation:
    for body, version in rows:
        return Representation(JSONText(body), version)
    raise Http404
