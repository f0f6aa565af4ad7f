from typing import Any

from phonenumber_field.serializerfields import PhoneNumberField
from rest_framework import serializers

from access import policy
from access.policy import Scope
from accounts.models import User
from api.serializers import CanonicalURL, Reference, RelatedKey, ResourceSerializer
from clients.models import Client


class ClientSerializer(ResourceSerializer):
    url = CanonicalURL(clients="id")
    phone = PhoneNumberField(required=False, allow_blank=True)
    mobile = PhoneNumberField(required=False, allow_blank=True)
    sales_contact = Reference("sales_contact", "display_name")
    sales_contact_id = RelatedKey(
        source="sales_contact",
        queryset=User.objects.sales_contacts(),
        write_only=True,
        required=False,
        error_messages={"does_not_exist": "A sales contact is an active sales user."},
    )

    class Meta:
        model = Client
        fields = [
            "id", "url", "status", "company_name", "first_name", "last_name", "email", "phone", "mobile",
            "sales_contact", "sales_contact_id", "created_at", "updated_at", "version",
        ]  # fmt: skip
        personal = ("email", "phone", "mobile")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Rule 7: who creates only their own clients is the contact of each; whoever may create any names one."""
        if self.instance is None and "sales_contact" not in attrs:
            user = self.context["request"].user
            if policy.rule(user, "client", "create").scope is not Scope.OWN:
                raise serializers.ValidationError(
                    {"sales_contact_id": [serializers.ErrorDetail("Name the client's sales contact.", code="required")]}
                )
            attrs["sales_contact"] = user
        return attrs
