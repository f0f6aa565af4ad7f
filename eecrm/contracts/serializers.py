from api.resources.serializers import CanonicalURL, Reference, ResourceSerializer
from contracts.models import Contract


class ContractSerializer(ResourceSerializer):
    url = CanonicalURL(clients="client_id", contracts="id")
    client = Reference("client", "company_name", key="company_name")
    sales_contact = Reference("client__sales_contact", "display_name")

    class Meta:
        field_docs = {
            "id": ("", 21),
            "url": ("Its address, below its client.", "https://crm.epic.example/api/v1/clients/7/contracts/21/"),
            "client": ("Whose it is.", {"id": 7, "company_name": "Maison Lumière SAS"}),
            "sales_contact": ("The client's.", {"id": 4, "name": "Julien Moreau"}),
            "version": ("One more with each change; its ETag begins with it.", 1),
            "name": ("", "Annual gala"),
            "status": ("A contract starts as a draft; to sign it is to change this.", "draft"),
            "amount": ("From 0.01 to 9999999999.99, with two places. Frozen once it is signed.", "18500.00"),
            "payment_due": ("From 2000 to 2099.", "2027-05-31"),
            "signed_at": ("Null for a draft.", None),
        }
        patch = {"status": "signed"}
        effect = {"signed_at": "2027-03-02T10:00:00.000000Z"}
        model = Contract
        fields = [
            "id", "url", "client", "sales_contact", "name", "status", "amount", "currency", "payment_due",
            "signed_at", "created_at", "updated_at", "version",
        ]  # fmt: skip
