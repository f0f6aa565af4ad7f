"""State rules: each refuses a change because of a row's current state. Triggers enforce them (`access.state_rules`)."""

from access.state_rules import StateRule

RULES = (
    StateRule(
        "event_closed_read_only",
        "A closed event is read-only until management reopens it.",
        when="an event is made, changed or deleted",
        resource="event",
        actions=("update", "assign", "reopen", "delete"),
        statuses=("closed",),
        unless="reopen",
    ),
    StateRule(
        "event_starts_as_created",
        "An event starts as created: move it on afterwards.",
        when="an event is made, changed or deleted",
    ),
    StateRule(
        "event_needs_signed_contract",
        "Sign the contract before planning its event.",
        when="an event is made, changed or deleted",
        resource="contract",
        actions=("create_event",),
        statuses=("draft",),
    ),
    StateRule(
        "event_reopen_needs_reason",
        "Say why you reopen it.",
        when="an event is made, changed or deleted",
        resource="event",
        actions=("reopen",),
        statuses=("closed",),
        needs_reason=True,
    ),
    StateRule(
        "event_goes_one_way",
        "An event goes from created over in progress to closed, one way.",
        when="an event is made, changed or deleted",
    ),
    StateRule(
        "event_stays_with_contract", "An event stays under its contract.", when="an event is made, changed or deleted"
    ),
    StateRule(
        "event_support_contact_active",
        "A support contact is an active support user.",
        when="an event is made, changed or deleted",
    ),
    StateRule(
        "event_is_open",
        "The event isn't closed: there is nothing to reopen.",
        resource="event",
        actions=("reopen",),
        statuses=("created", "in_progress"),
        is_moot=True,
    ),
)
