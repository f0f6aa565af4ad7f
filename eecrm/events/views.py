from api.resources.access_view import ExplainedViewSet
from api.resources.reading import Parent
from audit.trail.history import RecordedViewSet
from clients.models import Client
from contracts.models import Contract
from events.filters import EventFilterSet
from events.models import Event
from events.serializers import EventSerializer


class EventViewSet(ExplainedViewSet, RecordedViewSet):
    """Events: the parties under signed contracts, carried out by support."""

    resource = "event"
    parents = (Parent("client", Client, "contract__client_id"), Parent("contract", Contract, "contract_id"))
    queryset = Event.objects.all()
    serializer_class = EventSerializer
    filterset_class = EventFilterSet
    conflicts = {
        "create": ("event_starts_as_created", "event_needs_signed_contract", "event_support_contact_active"),
        "update": ("event_closed_read_only", "event_goes_one_way", "event_support_contact_active"),
        "delete": ("event_closed_read_only",),
    }
    ordering_fields = ("id", "created_at", "updated_at", "name", "starts_at", "attendees")
