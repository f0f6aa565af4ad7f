from api.explaining import ExplainedViewSet
from audit.history import RecordedViewSet
from clients.filters import ClientFilterSet
from clients.models import Client
from clients.serializers import ClientSerializer


class ClientViewSet(ExplainedViewSet, RecordedViewSet):
    """Clients and prospects: the companies that order parties."""

    resource = "client"
    queryset = Client.objects.all()
    serializer_class = ClientSerializer
    filterset_class = ClientFilterSet
    ordering_fields = ("id", "created_at", "updated_at", "company_name", "last_name")
