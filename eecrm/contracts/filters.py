import django_filters

from api.filters import FlagFilter, KeyFilter, ResourceFilterSet, TextFilter, bounded_number
from contracts.models import LARGEST, Contract


class ContractFilterSet(ResourceFilterSet):
    status = django_filters.ChoiceFilter(choices=Contract.Status)
    client = KeyFilter()
    client_email = TextFilter(field_name="client__email")
    client_company_name = TextFilter(field_name="client__company_name")
    amount_min = bounded_number("amount", "gte", largest=LARGEST)
    amount_max = bounded_number("amount", "lte", largest=LARGEST)
    payment_due_after = django_filters.DateFilter(field_name="payment_due", lookup_expr="gte")
    payment_due_before = django_filters.DateFilter(field_name="payment_due", lookup_expr="lte")
    # Nobody owes money for a draft.
    overdue = FlagFilter("signed.overdue")
    sales_contact = KeyFilter(field_name="client__sales_contact")

    personal = ("client_email",)
