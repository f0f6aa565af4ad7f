"""State rules: each refuses a change because of a row's current state. Triggers enforce them (`access.state_rules`)."""

from access.state_rules import StateRule

RULES = (
    StateRule(
        "client_starts_as_prospect",
        "A client starts as a prospect: turn it into a client afterwards.",
        when="a client is made or changed",
    ),
    StateRule(
        "client_never_turns_back", "A client never becomes a prospect again.", when="a client is made or changed"
    ),
    StateRule(
        "client_sales_contact_active", "A sales contact is an active sales user.", when="a client is made or changed"
    ),
)
