from typing import Any

from rest_framework import serializers

from accounts.models import User
from api.serializers import CanonicalURL, Reference, RelatedKey, ResourceSerializer
from events.models import Event


class EventSerializer(ResourceSerializer):
    url = CanonicalURL(clients="contract__client_id", contracts="contract_id", events="id")
    contract = Reference("contract", "name")
    client = Reference("contract__client", "company_name", key="company_name")
    support_contact = Reference("support_contact", "display_name", nullable=True)
    support_contact_id = RelatedKey(
        source="support_contact",
        queryset=User.objects.support_contacts(),
        write_only=True,
        required=False,
        allow_null=True,
        error_messages={"does_not_exist": "A support contact is an active support user."},
    )

    class Meta:
        model = Event
        fields = [
            "id", "url", "contract", "client", "support_contact", "support_contact_id", "name", "status", "attendees",
            "starts_at", "ends_at", "location", "notes", "created_at", "updated_at", "version",
        ]  # fmt: skip

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        starts_at = attrs.get("starts_at", getattr(self.instance, "starts_at", None))
        ends_at = attrs.get("ends_at", getattr(self.instance, "ends_at", None))
        if starts_at and ends_at and ends_at < starts_at:
            raise serializers.ValidationError({"ends_at": "An event ends after it starts."})
        return attrs
