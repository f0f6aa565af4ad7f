"""State rules: each refuses a change because of a row's current state. Triggers enforce them (`access.state_rules`)."""

from access.state_rules import StateRule

RULES = (
    StateRule(
        "contract_starts_as_draft",
        "A contract starts as a draft: sign it afterwards.",
        when="a contract is made, changed or deleted",
    ),
    StateRule(
        "contract_needs_client",
        "Turn the prospect into a client before making its contract.",
        when="a contract is made, changed or deleted",
        resource="client",
        actions=("create_contract",),
        statuses=("prospect",),
    ),
    StateRule(
        "contract_signed_stays",
        "A signed contract can't be deleted, except by management.",
        when="a contract is made, changed or deleted",
        resource="contract",
        actions=("delete",),
        statuses=("signed",),
        unless="amend",
    ),
    StateRule(
        "contract_stays_with_client", "A contract stays with its client.", when="a contract is made, changed or deleted"
    ),
    StateRule(
        "contract_signed_stays_signed",
        "Only management reopens a signed contract.",
        when="a contract is made, changed or deleted",
        resource="contract",
        actions=("reopen",),
        statuses=("signed",),
        unless="reopen",
    ),
    StateRule(
        "contract_reopen_needs_reason",
        "Say why you reopen it.",
        when="a contract is made, changed or deleted",
        resource="contract",
        actions=("reopen",),
        statuses=("signed",),
        needs_reason=True,
    ),
    StateRule(
        "contract_signed_amount_frozen",
        "The amount of a signed contract is frozen.",
        when="a contract is made, changed or deleted",
        resource="contract",
        actions=("amend",),
        statuses=("signed",),
        unless="amend",
    ),
    StateRule(
        "contract_is_signed",
        "The contract is signed already.",
        resource="contract",
        actions=("sign",),
        statuses=("signed",),
        is_moot=True,
    ),
    StateRule(
        "contract_is_draft",
        "The contract is a draft: there is nothing to reopen.",
        resource="contract",
        actions=("reopen",),
        statuses=("draft",),
        is_moot=True,
    ),
)
