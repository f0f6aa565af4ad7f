"""Which rules can refuse an operation: the cells of the policy table (403), and the rules of state that its view names (409)."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from access import policy, rule_catalogue
from access.permissions import policy_action
from access.policy import CONTACT_RESOURCES, FINER_THAN_UPDATE, MATRIX_ROLES, Rule, Scope

_READS = ("list", "retrieve")


def cells_of_view(view: Any) -> list[tuple[str, str]]:
    """The cells that are asked for an action of a view: its own, and those of what is finer than it."""
    resource, action = view.resource, policy_action(view.action)
    cells = [(resource, action)]
    if action == "update":
        cells += [(resource, change.action) for change in FINER_THAN_UPDATE.get(resource, ())]
    if view.action == "access":
        cells.append(("access", "explain"))
    return list(dict.fromkeys(cells))


def refusing(view: Any) -> list[Rule]:
    """The cells by which somebody is refused with 403. What one may only read of one's own is invisible instead: 404."""
    (resource, action), *others = cells_of_view(view)
    found = list(_refusing(resource, action))
    for one in others:
        stricter = (rule for rule in _refusing(*one) if (rule.role, rule.scope) not in _told(found))
        found += stricter if one[0] == resource else _refusing(*one)
    return found


def _told(rules: list[Rule]) -> set[tuple[str, Scope]]:
    """Who is refused already by a wider action, and comes to no finer one."""
    return {(rule.role, rule.scope) for rule in rules}


def _refusing(resource: str, action: str) -> Iterator[Rule]:
    for role in MATRIX_ROLES:
        scope = policy.scope_of(resource, action, role)
        is_own = scope is Scope.OWN and action not in _READS and resource in CONTACT_RESOURCES
        if scope is Scope.NONE or is_own:
            yield Rule(resource, action, role, scope)


@cache
def sentences() -> dict[str, str]:
    """Every rule that isn't a cell of the table, with its sentence."""
    known = [*rule_catalogue.of_triggers(), *rule_catalogue.of_models(), *rule_catalogue.OTHERS]
    return {rule.name: rule.sentence for rule in known}


def who_may(resource: str, action: str) -> str:
    """`sales (own), management, superuser`."""
    scopes = [(role, policy.scope_of(resource, action, role)) for role in MATRIX_ROLES]
    if all(scope is Scope.OWN for _, scope in scopes):
        return "everybody who is logged in, for themselves"
    return ", ".join(
        role.value + (" (own)" if scope is Scope.OWN else "") for role, scope in scopes if scope is not Scope.NONE
    )
