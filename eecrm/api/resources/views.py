"""HTTP methods of a resource. The viewset of each resource only declares its model, fields, parents and rules."""

from typing import Any, ClassVar

from django.db.models import Model
from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from access import policy
from access.permissions import Refused, policy_action
from access.policy import Scope
from access.querysets import owns, permits, would_own
from access.request_rules import rule_for
from api.requests.deprecation import Deprecation
from api.resources import idempotency
from api.resources.conditional import PreconditionFailed, Representation, is_conditional, mismatch
from api.resources.reading import ReadingViewSet, lock_statement
from api.resources.serializers import differs


class ResourceViewSet(ReadingViewSet):
    """Lists, creates, retrieves, updates and deletes the rows of one resource of the policy table, nested or flat.

    A request that has several faults is refused for the first of these reasons:
    - 401;
    - 404: the row or a parent is missing or invisible;
    - 403: the caller may not do the action;
    - 412: before 400, because preconditions are checked before the body (RFC 9110, section 13.2.1);
    - 400;
    - 403: a changed field needs a separate action, such as *sign*, that the caller may not do;
    - 409: `access-matrix.md`, Business rules.
    """

    collection: ClassVar[str] = ""  # name in URL paths, such as "clients"; by default the resource's name with an s
    has_offline_copies: ClassVar[bool] = True  # apps may keep offline copies of the rows: `sync/` reports changes
    deprecated: Deprecation | None = None
    # Maps an action of the policy to the rules that can refuse it with 409. The OpenAPI document lists these rules.
    conflicts: ClassVar[dict[str, tuple[str, ...]]] = {}

    def retrieve(self, request: Request, **kwargs: Any) -> Response:
        representation = self._visible_representation()
        self._refuse_other_version(representation)
        return representation.answer_if_new(request)

    def create(self, request: Request, **kwargs: Any) -> Response:
        parent = self._parent()
        if parent is not None:
            self._refuse_foreign_parent(parent)
        key = idempotency.key_of(request)
        if key and (first := idempotency.claim(request, key)):
            return self._repeat_answer(first)
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        self._refuse_for_others(serializer.validated_data)
        row = serializer.save(**({self.parents[-1].lookup.removesuffix("_id"): parent} if parent else {}))
        self.check_object_permissions(request, row)
        response = self._checked_representation(row.pk).answer(status=201, Location=self._location(row))
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
        return self._checked_representation(row.pk).answer()

    def partial_update(self, request: Request, **kwargs: Any) -> Response:
        return self.update(request, partial=True, **kwargs)

    def destroy(self, request: Request, **kwargs: Any) -> Response:
        row = self._locked()
        deleted, _ = row.delete()
        if not deleted:
            # The DELETE found no row, because row security hid the row.
            raise Refused(rule_for(request, self.resource, "delete"))
        return Response(status=204)

    def require_visible(self) -> None:
        """Raises Http404 unless the row and the parents in the path are visible.

        This check comes before any 403, because a 403 would reveal that the row exists.
        """
        self._parent()
        if "pk" in self.kwargs:
            self._visible_representation()

    def _locked(self) -> Any:
        """Locks the row in the path and returns it.

        Before the lock, the method checks visibility (404) and permission (403). After the lock, it checks the version
        (412).
        If the lock came first, a 403 would become a 404: PostgreSQL doesn't lock a row that the caller may only read.
        The lock keeps the version unchanged until the transaction ends.
        """
        row = self.get_object()
        locked = lock_statement(self.model).first({"pk": row.pk})
        if locked is None:
            # The row was deleted meanwhile, or has another contact now, so row security refuses the lock.
            self.get_object()
            raise Refused(rule_for(self.request, self.resource, policy_action(self.action)))
        self.check_object_permissions(self.request, locked)  # the row may have another contact by now
        if is_conditional(self.request):
            self._refuse_other_version(self._checked_representation(locked.pk))
        return locked

    def _refuse_other_version(self, present: Representation) -> None:
        """Raises PreconditionFailed (412) if the row doesn't meet a precondition of the request, such as `If-Match`.

        Raises ValidationError for invalid entity tags.
        """
        if (failure := mismatch(self.request, present)) is None:
            return
        since = failure.known_version
        changed = None if since is None else self._changed_since(since)
        raise PreconditionFailed(failure.sentence, present, changed)

    def _changed_since(self, version: int) -> tuple[str, ...] | None:
        """Returns the names of the fields that have changed since this version of the row; None if they aren't known.

        Viewsets of resources with an audit trail override this method.
        """
        return None

    def _repeat_answer(self, first: idempotency.FirstAnswer) -> Response:
        """Returns the stored answer to a repeated POST.

        The caller must still be allowed to see the row (else 404) and to create it (else 403).
        """
        row = self.get_queryset().filter(pk=first.row_id).first()
        if row is None:
            raise Http404
        self.check_object_permissions(self.request, row)
        return first.again()

    def _refuse_foreign_parent(self, parent: Model) -> None:
        """Raises Refused if the caller may only create rows of their own, but the parent belongs to another user.

        A new row gets the owner of its parent. So this check only needs the parent, and can come before any 409.
        """
        rule = rule_for(self.request, self.resource, "create")
        if rule.scope is Scope.OWN and not owns(self.request.user, parent):
            raise Refused(rule)

    def _refuse_for_others(self, values: dict[str, Any]) -> None:
        """Raises Refused if the caller may only create rows of their own, but the owner in `values` is another user.

        This check comes before saving. Otherwise a 409 or a refusal of PostgreSQL would come first.
        """
        rule = rule_for(self.request, self.resource, "create")
        if rule.scope is Scope.OWN and not would_own(self.request.user, self.model, values):
            raise Refused(rule)

    def _refuse_finer_actions(self, row: Model, changes: dict[str, Any]) -> None:
        """Raises Refused if a changed field needs a separate action, such as *sign*, that the caller may not do.

        `policy.FINER_THAN_UPDATE` lists these fields and actions.
        """
        for change in policy.FINER_THAN_UPDATE.get(self.resource, ()):
            if change.field not in changes or not differs(row, change.field, changes[change.field]):
                continue
            rule = rule_for(self.request, self.resource, change.action)
            if change.to in (None, changes[change.field]) and not permits(rule, row):
                raise Refused(rule)

    def _location(self, row: Model) -> str:
        return self.request.build_absolute_uri(f"{self.request.path}{row.pk}/")
