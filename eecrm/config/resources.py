"""The resources of the API, parents first, each with its viewset.

The installed apps and the URL routes come from this list. The history of rows, the reports of `sync/`, the restore of
deleted rows, the masking of personal data and the OpenAPI document use it too. All other facts about a resource are
declared in its viewset and its model (docs/extending.md).
"""

RESOURCES = {
    "client": "clients.views.ClientViewSet",
    "contract": "contracts.views.ContractViewSet",
    "event": "events.views.EventViewSet",
}
