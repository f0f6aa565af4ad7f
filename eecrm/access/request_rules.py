"""Rules of the policy table for the user of an HTTP request. Each rule is made once and kept on the request."""

from typing import Any

from access import policy
from access.policy import Rule


def rule_for(request: Any, resource: str, action: str) -> Rule:
    """Returns the rule for the user of this request. `request` is Django's or REST framework's request object."""
    rules: dict[tuple[str, str], Rule] = vars(request).setdefault("policy_rules", {})
    rule, user = rules.get((resource, action)), request.user
    if rule is None or rule.caller is not user:  # after a login the request has another user, who needs a new rule
        rules[resource, action] = rule = policy.rule(user, resource, action)
    return rule
