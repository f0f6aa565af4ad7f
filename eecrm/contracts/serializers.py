from api.serializers import CanonicalURL, Reference, ResourceSerializer
from contracts.models import Contract


class ContractSerializer(ResourceSerializer):
    url = CanonicalURL(clients="client_id", contracts="id")
    client = Reference("client", "company_name", key="company_name")
    sales_contact = Reference("client__sales_contact", "display_name")

    class Meta:
        model = Contract
        fields = [
            "id", "url", "client", "sales_contact", "name", "status", "amount", "currency", "payment_due",
            "signed_at", "created_at", "updated_at", "version",
        ]  # fmt: skip
