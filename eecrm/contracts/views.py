from api.resources.access_view import ExplainedViewSet
from api.resources.reading import Parent
from audit.trail.history import RecordedViewSet
from clients.models import Client
from contracts.filters import ContractFilterSet
from contracts.models import Contract
from contracts.serializers import ContractSerializer


class ContractViewSet(ExplainedViewSet, RecordedViewSet):
    """Contracts: drafts, and signed ones whose amount is frozen."""

    resource = "contract"
    parents = (Parent("client", Client, "client_id"),)
    queryset = Contract.objects.all()
    serializer_class = ContractSerializer
    filterset_class = ContractFilterSet
    conflicts = {
        "create": ("contract_starts_as_draft", "contract_needs_client"),
        "update": ("contract_signed_amount_frozen", "contract_signed_stays_signed"),
        "delete": ("contract_signed_stays", "contract_has_events"),
    }
    ordering_fields = ("id", "created_at", "updated_at", "name", "amount", "payment_due")
