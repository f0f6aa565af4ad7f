from api.resources.filters import ChoicesFilter, ContactFilterSet, EmailFilter, FlagFilter, KeyFilter, MomentFilter
from events.models import UNASSIGNED, Event


class EventFilterSet(ContactFilterSet):
    status = ChoicesFilter(choices=Event.Status)
    client = KeyFilter(field_name="contract__client")
    contract = KeyFilter()
    client_email = EmailFilter(field_name="contract__client__email")
    support_contact = KeyFilter()
    unassigned = FlagFilter(UNASSIGNED)
    starts_after = MomentFilter(field_name="starts_at", lookup_expr="gte")
    starts_before = MomentFilter(field_name="starts_at", lookup_expr="lte")

    field_docs = ContactFilterSet.field_docs | {
        "status": ("In one of these statuses, separated by commas.", "created,in_progress"),
        "client": ("Of this client.", 7),
        "contract": ("Under this contract.", 21),
        "client_email": (
            "Of the client with this email address, in any spelling of it; not for those who see it masked.",
            "camille@lumiere.example",
        ),
        "support_contact": ("Given to this support contact.", 6),
        "unassigned": ("Given to nobody yet, or to somebody.", True),
        "starts_after": ("Starting at this time or later.", "2027-06-01T00:00:00Z"),
        "starts_before": ("Starting at this time or earlier.", "2027-06-30T23:59:59Z"),
    }
    personal = ("client_email",)
