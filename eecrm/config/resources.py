"""The resources of the API, parents first, each with its viewset.

This list determines the installed apps, routes, history, reports of `sync/`, restore, masks of personal data, and
documents. All other facts about a resource are declared in its viewset and its model (docs/extending.md).
"""

RESOURCES = {
    "client": "clients.views.ClientViewSet",
    "contract": "contracts.views.ContractViewSet",
    "event": "events.views.EventViewSet",
}
