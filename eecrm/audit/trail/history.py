"""The endpoint `{object}/history/`: the audit trail entries about one object, newest first (docs/api.md)."""

from typing import Any

import django_filters
from django.contrib.auth import get_user_model
from django.db.models import Q, Subquery
from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from access.policy import Role, role_of
from api.resources.filters import KeyFilter, moment, narrowed, refuse_unknown
from api.resources.pagination import PAGE_PARAMETER_NAMES, QuerySetSource, cut
from api.resources.views import ResourceViewSet
from audit.models import CHANNELS, PARTNER_FIELDS, Entry
from audit.trail.representation import ACTIONS, Names, Reader, recorded_fields, represented, targets

_MOST_CHANGES = 500  # maximum number of entries read to find the fields that changed since a version
_ENTRY_COLUMNS = tuple(field.name for field in Entry._meta.concrete_fields if field.name != "id")
_PARTNER_COLUMNS = tuple(name for name in PARTNER_FIELDS if name != "id")
# Partners may not use these filters. By trying values, partners would find out hidden actors and request ids.
INTERNAL_FILTERS = ("actor", "request_id")


class EntryFilterSet(django_filters.FilterSet):
    actor = KeyFilter(field_name="actor_id")
    request_id = django_filters.CharFilter(max_length=64, method="of_request")
    after = moment("at", "gte")
    before = moment("at", "lte")

    def of_request(self, rows: Any, name: str, value: str) -> Any:
        """Returns the entries of one request, found by the id that the server made or the id that the caller sent."""
        return rows.filter(Q(request_id=value) | Q(caller_request_id=value))


class ActorSerializer(serializers.Serializer):
    """The account that made the change: its key and username. A deleted account has the username of that time."""

    id = serializers.IntegerField()
    name = serializers.CharField()

    example = {"id": 4, "name": "oc-salesman"}
    field_docs = {
        "id": ("", example["id"]),
        "name": ("The username: nobody chooses it for themselves. For partners the display name.", example["name"]),
    }


class FieldChangeSerializer(serializers.Serializer):
    """A changed field: its old and its new value, in the format of the object itself. Each may be null."""

    field = serializers.CharField()
    old = serializers.JSONField()
    new = serializers.JSONField()

    field_docs = {
        "field": ("", "status"),
        "old": ("Null where the object was made, or the field was empty.", "draft"),
        "new": ("Null where the object was deleted, or the field is empty.", "signed"),
    }


class HistoryEntrySerializer(serializers.Serializer):
    """One change of the object: its time, actor, role, channel, reason and changed fields."""

    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    action = serializers.ChoiceField(choices=list(ACTIONS.values()))
    actor = ActorSerializer(allow_null=True)
    role = serializers.CharField()
    channel = serializers.ChoiceField(choices=CHANNELS)
    request_id = serializers.CharField()
    caller_request_id = serializers.CharField(allow_blank=True)
    reason = serializers.CharField(allow_blank=True)
    version = serializers.IntegerField(allow_null=True)
    changes = FieldChangeSerializer(many=True)

    field_docs = {
        "id": ("", 4711),
        "actor": ("Null also for partners, unless it is them or a contact of the object.", ActorSerializer.example),
        "role": ("The role that wrote it, or the login of a program or a person at PostgreSQL.", "sales"),
        "action": ("", "update"),
        "request_id": (
            "Of the request that wrote it, made by the server. Empty for partners.",
            "0b9f6f0c5c8e4c0f9d3c2a1e7b6d5f4a",
        ),
        "caller_request_id": (
            "The `X-Request-ID` that its caller sent; empty where none was sent, and for partners.",
            "phone-7f3a.42",
        ),
        "reason": ("Empty where nobody gave one, and for partners.", "The client signed on paper."),
        "version": ("Of the object afterwards; null where it was deleted.", 2),
    }


class RecordedViewSet(ResourceViewSet):
    """Adds the action `history` to a resource. Callers who see an object may read its history."""

    @extend_schema(
        responses=HistoryEntrySerializer,
        parameters=[
            OpenApiParameter(
                "actor",
                OpenApiTypes.INT64,
                description="What this account did. Not for partners.",
                examples=[OpenApiExample("account", 4)],
            ),
            OpenApiParameter(
                "request_id",
                {"type": "string", "maxLength": 64},
                description="What was written in this request: the `X-Request-ID` of its answer. Not for partners.",
                examples=[OpenApiExample("request", "phone-7f3a.42")],
            ),
            OpenApiParameter(
                "after",
                OpenApiTypes.DATETIME,
                description="At this time or later.",
                examples=[OpenApiExample("start", "2027-03-01T00:00:00Z")],
            ),
            OpenApiParameter(
                "before",
                OpenApiTypes.DATETIME,
                description="At this time or earlier.",
                examples=[OpenApiExample("end", "2027-03-31T23:59:59Z")],
            ),
        ],
    )
    def history(self, request: Request, **kwargs: Any) -> Response:
        """The changes of this object, newest first: who changed which fields, when, by which channel and why.

        Partners see only the changes from the time when the object was theirs.
        """
        fields = recorded_fields(self.serializer_class)
        contacts = [field.column for field in fields if field.model is get_user_model()]
        row = self.get_queryset().only("pk", *contacts).filter(pk=kwargs["pk"]).first()
        if row is None:
            raise Http404
        is_partner = role_of(request.user) == Role.EXTERNAL
        filters = set(EntryFilterSet.base_filters).difference(INTERNAL_FILTERS if is_partner else ())
        refuse_unknown(request, (*filters, *PAGE_PARAMETER_NAMES))
        known_accounts = (
            frozenset({request.user.pk, *(getattr(row, column) for column in contacts)}) if is_partner else None
        )
        # The filter excludes updates of columns that the API doesn't show, such as the link to a partner's account.
        is_shown = Q(operation__in=("insert", "delete")) | Q(new__has_any_keys=[field.column for field in fields])
        rows = narrowed(Entry.objects.about(row).filter(is_shown), request, EntryFilterSet)
        columns, rows = (_PARTNER_COLUMNS, rows.told_to_partner()) if is_partner else (_ENTRY_COLUMNS, rows)
        page_rows, links = cut(QuerySetSource(rows, columns), request, Entry, allowed=("id",), default="-id")
        entries = [Entry(**dict(zip((*columns, "id"), values, strict=True))) for values in page_rows]
        reader = Reader(self._masked, known_accounts)
        names = Names(request.user, targets(entries, fields, reader))
        results = [represented(entry, fields, names, reader) for entry in entries]
        return Response(links | {"results": results})

    def _changed_since(self, version: int) -> tuple[str, ...] | None:
        """Returns the names of the fields that the API shows and that changed since `version` of the object.

        Returns None if the trail doesn't have this version, or has more than _MOST_CHANGES later entries.
        """
        model: Any = self.serializer_class.Meta.model
        entries = Entry.objects.about(model(pk=self.kwargs["pk"]))
        of_version = entries.filter(new__version=version).order_by("-id").values("id")[:1]
        sides = entries.filter(id__gte=Subquery(of_version)).order_by("id").values_list("old", "new")
        since = list(sides[: _MOST_CHANGES + 2])
        if not since or len(since) > _MOST_CHANGES + 1:
            return None
        before: dict[str, Any] = {}
        after: dict[str, Any] = {}
        for old, new in since[1:]:
            before = (old or {}) | before
            after |= new or {}
        fields = recorded_fields(self.serializer_class)
        return tuple(field.name for field in fields if before.get(field.column) != after.get(field.column))
