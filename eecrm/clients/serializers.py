from typing import Any

from rest_framework import serializers

from access.policy import Scope
from access.request_rules import rule_for
from accounts.models import User
from api.phone_numbers import PhoneSerializerField
from api.resources.serializers import CanonicalURL, Reference, RelatedKey, ResourceSerializer
from clients.models import Client


class ClientSerializer(ResourceSerializer):
    url = CanonicalURL(clients="id")
    phone = PhoneSerializerField(required=False, allow_blank=True)
    mobile = PhoneSerializerField(required=False, allow_blank=True)
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
        field_docs = {
            "id": ("", 7),
            "url": ("Its address.", "https://crm.epic.example/api/v1/clients/7/"),
            "sales_contact": ("Who looks after it.", {"id": 4, "name": "Julien Moreau"}),
            "version": ("One more with each change; its ETag begins with it.", 1),
            "status": ("A client starts as a prospect, and never turns back into one.", "prospect"),
            "company_name": ("", "Maison Lumière SAS"),
            "first_name": ("Of the contact person.", "Camille"),
            "last_name": ("Of the contact person.", "Laurent"),
            "email": ("Unique among clients, ignoring case. Masked for auditors.", "camille@lumiere.example"),
            "phone": ("Stored in E.164; empty where there is none. Masked for auditors.", "+33199001234"),
            "mobile": ("Stored in E.164; empty where there is none. Masked for auditors.", "+33612345678"),
            "sales_contact_id": (
                "An active sales user. Whoever sells is it by themselves; management must name one, and alone may"
                " change it.",
                4,
            ),
        }
        patch = {"status": "client"}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Sets or requires the sales contact of a new client (access matrix, rule 7).

        A user who may create only their own clients becomes the sales contact. A user who may create any client must
        choose the sales contact.
        """
        if self.instance is None and "sales_contact" not in attrs:
            user = self.context["request"].user
            if rule_for(self.context["request"], "client", "create").scope is not Scope.OWN:
                raise serializers.ValidationError(
                    {"sales_contact_id": [serializers.ErrorDetail("Name the client's sales contact.", code="required")]}
                )
            attrs["sales_contact"] = user
        return attrs
