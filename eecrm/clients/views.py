from api.resources.access_view import ExplainedViewSet
from audit.trail.history import RecordedViewSet
from clients.filters import ClientFilterSet
from clients.models import Client
from clients.serializers import ClientSerializer


class ClientViewSet(ExplainedViewSet, RecordedViewSet):
    """Clients and prospects: the companies that order parties."""

    resource = "client"
    queryset = Client.objects.all()
    serializer_class = ClientSerializer
    filterset_class = ClientFilterSet
    conflicts = {
        "create": ("client_starts_as_prospect", "client_email_unique", "client_sales_contact_active"),
        "update": ("client_never_turns_back", "client_email_unique", "client_sales_contact_active"),
        "delete": ("client_has_contracts",),
    }
    ordering_fields = ("id", "created_at", "updated_at", "company_name", "last_name")
