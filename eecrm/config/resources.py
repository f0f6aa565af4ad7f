"""The resources of the API, parents first, each with its viewset.

This list determines the installed apps, the routes, the history, the reports of `sync/`, restore, the masks of personal
data, and the documents. All facts about one resource are declared in its viewset and its model (docs/extending.md).
"""

RESOURCES = {
    "client": "clients.views.ClientViewSet",
    "contract": "contracts.views.ContractViewSet",
    "event": "events.views.EventViewSet",
}
