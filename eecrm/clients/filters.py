from api.resources.filters import ChoicesFilter, ContactFilterSet, EmailFilter, KeyFilter, TextFilter
from clients.models import Client


class ClientFilterSet(ContactFilterSet):
    status = ChoicesFilter(choices=Client.Status)
    company_name = TextFilter()
    email = EmailFilter()
    sales_contact = KeyFilter()

    field_docs = ContactFilterSet.field_docs | {
        "status": ("In one of these statuses, separated by commas.", "client"),
        "company_name": ("Of this company, ignoring case.", "Maison Lumière SAS"),
        "email": (
            "With this email address, in any spelling of it; not for those who see it masked.",
            "camille@lumiere.example",
        ),
        "sales_contact": ("Of this sales contact.", 4),
    }
    personal = ("email",)
