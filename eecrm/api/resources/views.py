"""How a resource speaks HTTP. A viewset of a noun is a declaration on top of this."""

from typing import Any, ClassVar

from django.db.models import Model
from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from access import policy
from access.permissions import Refused, policy_action
from access.policy import Scope
from access.querysets import is_within, owns, would_own
from api.requests.deprecation import Deprecation
from api.resources import idempotency
from api.resources.conditional import PreconditionFailed, Representation, is_conditional, mismatch
from api.resources.reading import ReadingViewSet
from api.resources.serializers import differs


class ResourceViewSet(ReadingViewSet):
    """List, create, retrieve, update and delete the rows of one resource of the policy table, nested or flat.

    Order of refusals: 401, 404 (invisible or missing, parents included), 403, 412, 400, 403 of an action finer than update,
    409 (`access-matrix.md`, Business rules; RFC 9110, section 13.2.1: preconditions come before the body is looked at).
    """

    deprecated: Deprecation | None = None
    # The rules of state that refuse an action of the policy with 409, for the OpenAPI document.
    conflicts: ClassVar[dict[str, tuple[str, ...]]] = {}

    def retrieve(self, request: Request, **kwargs: Any) -> Response:
        found = self._seen()
        self._refuse_other_version(found)
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

    def _locked(self) -> Any:
        """The row, seen (404), permitted (403) and then locked: locking first would hide a row one may only read. What its
        version is compared with (412) holds until the transaction ends."""
        row = self.get_object()
        locked: Any = self.model._default_manager.select_for_update().filter(pk=row.pk).first()
        if locked is None:
            # Deleted meanwhile, or given away: PostgreSQL locks for nobody what they may not change.
            self.get_object()
            raise Refused(policy.rule(self.request.user, self.resource, policy_action(self.action)))
        self.check_object_permissions(self.request, locked)  # it may have been given away while this request waited
        if is_conditional(self.request):
            self._refuse_other_version(self._written(locked.pk))
        return locked

    def _refuse_other_version(self, present: Representation) -> None:
        """412 where the caller asks for another version than this. Raises ValidationError for tags that are none."""
        if (found := mismatch(self.request, present)) is None:
            return
        since = found.known_version
        changed = None if since is None else self._changed_since(since)
        raise PreconditionFailed(found.sentence, present, changed)

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
        if rule.scope is Scope.OWN and not would_own(self.request.user, self.model, values):
            raise Refused(rule)

    def _refuse_finer_actions(self, row: Model, changes: dict[str, Any]) -> None:
        for change in policy.FINER_THAN_UPDATE.get(self.resource, ()):
            if change.field not in changes or not differs(row, change.field, changes[change.field]):
                continue
            if change.to in (None, changes[change.field]) and not is_within(self.request.user, change.action, row):
                raise Refused(policy.rule(self.request.user, self.resource, change.action))

    def _location(self, row: Model) -> str:
        return self.request.build_absolute_uri(f"{self.request.path}{row.pk}/")
