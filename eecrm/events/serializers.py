from typing import Any

from rest_framework import serializers

from accounts.models import User
from api.resources.serializers import CanonicalURL, Reference, RelatedKey, ResourceSerializer
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
        field_docs = {
            "id": ("", 33),
            "url": (
                "Its address, below its contract.",
                "https://crm.epic.example/api/v1/clients/7/contracts/21/events/33/",
            ),
            "contract": ("Under which it is planned.", {"id": 21, "name": "Annual gala"}),
            "client": ("For whom it is.", {"id": 7, "company_name": "Maison Lumière SAS"}),
            "version": ("One more with each change; its ETag begins with it.", 1),
            "support_contact": ("Null until it is given to somebody.", {"id": 6, "name": "Karin Vogel"}),
            "support_contact_id": (
                "An active support user, or null. Once it is there management alone may change it.",
                6,
            ),
            "name": ("", "Gala dinner"),
            "status": ("It goes one way: created, in progress, closed. Closed it is read-only.", "created"),
            "attendees": ("", 120),
            "starts_at": ("From 2000 to 2099, with a time zone.", "2027-06-12T18:00:00.000000Z"),
            "ends_at": ("Not before it starts.", "2027-06-12T23:00:00.000000Z"),
            "location": ("", "Old Harbour Hall"),
            "notes": ("", "Twelve guests eat vegetarian, two can't have nuts."),
        }
        patch = {"status": "in_progress"}
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
