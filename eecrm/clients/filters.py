from api.resources.filters import ChoicesFilter, ContactFilterSet, EmailFilter, KeyFilter, NameFilter, PhoneFilter
from clients.models import Client


class ClientFilterSet(ContactFilterSet):
    status = ChoicesFilter(choices=Client.Status)
    company_name = NameFilter(field_name="company_name_order")
    email = EmailFilter()
    phone = PhoneFilter()
    sales_contact = KeyFilter()

    field_docs = ContactFilterSet.field_docs | {
        "status": ("In one of these statuses, separated by commas.", "client"),
        "company_name": ("Of this company, ignoring case, accents and punctuation.", "Maison Lumière SAS"),
        "email": (
            "With this email address, in any spelling of it; not for those who see it masked.",
            "camille@lumiere.example",
        ),
        "phone": (
            "With this telephone or mobile number, in any spelling: national or international, or its last six digits or"
            " more. Not for those who see it masked.",
            "01 99 00 12 34",
        ),
        "sales_contact": ("Of this sales contact.", 4),
    }
    personal = ("email", "phone")
