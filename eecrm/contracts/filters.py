from django.db.models import Q

from api.resources.filters import (
    ChoicesFilter,
    ContactFilterSet,
    DayFilter,
    DecimalFilter,
    EmailFilter,
    FlagFilter,
    KeyFilter,
    NameFilter,
)
from contracts.models import MAX_AMOUNT, OVERDUE, Contract


class ContractFilterSet(ContactFilterSet):
    status = ChoicesFilter(choices=Contract.Status)
    client = KeyFilter()
    client_email = EmailFilter(field_name="client__email")
    client_company_name = NameFilter(field_name="client__company_name_order")
    amount_min = DecimalFilter(field_name="amount", lookup_expr="gte", largest=MAX_AMOUNT)
    amount_max = DecimalFilter(field_name="amount", lookup_expr="lte", largest=MAX_AMOUNT)
    payment_due_after = DayFilter(field_name="payment_due", lookup_expr="gte")
    payment_due_before = DayFilter(field_name="payment_due", lookup_expr="lte")
    # Drafts are never overdue, because the client owes nothing before the signature.
    overdue = FlagFilter(Q(status=Contract.Status.SIGNED) & OVERDUE)
    sales_contact = KeyFilter()

    field_docs = ContactFilterSet.field_docs | {
        "status": ("In one of these statuses, separated by commas.", "signed"),
        "client": ("Of this client.", 7),
        "client_email": (
            "Of the client with this email address, in any spelling of it; not for those who see it masked.",
            "camille@lumiere.example",
        ),
        "client_company_name": ("Of this company, ignoring case, accents and punctuation.", "Maison Lumière SAS"),
        "amount_min": ("Of this amount or more.", 1000),
        "amount_max": ("Of this amount or less.", 20000),
        "payment_due_after": ("Due on this day or later.", "2027-05-01"),
        "payment_due_before": ("Due on this day or earlier.", "2027-05-31"),
        "overdue": ("Signed, and due before today (in UTC); or all others.", True),
        "sales_contact": ("Of this sales contact's clients.", 4),
    }
    personal = ("client_email",)
