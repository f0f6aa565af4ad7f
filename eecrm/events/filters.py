import django_filters

from api.filters import FlagFilter, KeyFilter, ResourceFilterSet, TextFilter
from events.models import Event


class EventFilterSet(ResourceFilterSet):
    status = django_filters.ChoiceFilter(choices=Event.Status)
    client = KeyFilter(field_name="contract__client")
    contract = KeyFilter()
    client_email = TextFilter(field_name="contract__client__email")
    support_contact = KeyFilter()
    unassigned = FlagFilter("unassigned")
    starts_after = django_filters.IsoDateTimeFilter(field_name="starts_at", lookup_expr="gte")
    starts_before = django_filters.IsoDateTimeFilter(field_name="starts_at", lookup_expr="lte")

    personal = ("client_email",)
