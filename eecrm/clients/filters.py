import django_filters

from api.filters import KeyFilter, ResourceFilterSet, TextFilter
from clients.models import Client


class ClientFilterSet(ResourceFilterSet):
    status = django_filters.ChoiceFilter(choices=Client.Status)
    company_name = TextFilter()
    email = TextFilter()
    sales_contact = KeyFilter()

    personal = ("email",)
