"""The nouns of the API, parents first: each resource of the policy table with its viewset.

Its app, routes, changes of offline copies, history, restore, masks and documents follow from this list. A viewset and its
model declare what is true of one resource (docs/extending.md).
"""

RESOURCES = {
    "client": "clients.views.ClientViewSet",
    "contract": "contracts.views.ContractViewSet",
    "event": "events.views.EventViewSet",
}
