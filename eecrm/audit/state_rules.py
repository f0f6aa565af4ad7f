"""The state rules of the audit trail, which PostgreSQL triggers enforce (`access.state_rules`)."""

from access.state_rules import StateRule

RULES = (
    StateRule(
        "trail_names_its_actor",
        "The setting eecrm.user_id is not the number of an account.",
        when="anything is written",
    ),
    StateRule(
        "restore_needs_reason",
        "Say why you restore it.",
        when="a deleted client, contract or event is made again",
        needs_reason=True,
    ),
)
