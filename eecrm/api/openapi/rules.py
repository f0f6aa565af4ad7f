"""Finds the rules that can refuse an operation: cells of the policy table (403), and state rules of its view (409)."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from django.conf import settings

from access import policy, rule_catalogue
from access.permissions import policy_action
from access.policy import FINER_THAN_UPDATE, MATRIX_ROLES, Rule, Scope

_READS = ("list", "retrieve")


def cells_of_view(view: Any) -> list[tuple[str, str]]:
    """Returns the (resource, action) pairs that the policy checks for a view.

    An *update* also checks the actions for certain changes, such as *sign*.
    """
    resource, action = view.resource, policy_action(view.action)
    cells = [(resource, action)]
    if action == "update":
        cells += [(resource, change.action) for change in FINER_THAN_UPDATE.get(resource, ())]
    if view.action == "access":
        cells.append(("access", "explain"))
    return list(dict.fromkeys(cells))


def refusing(view: Any, path: str) -> list[Rule]:
    """Returns the cells of the policy table that can refuse the operation with 403.

    A role that may read only its own rows gets a 404 for other rows, not a 403. So the cells of such a role are left
    out for reads.
    """
    (resource, action), *others = cells_of_view(view)
    seeing = _roles_that_see_its_path(view, path)
    refusals = [rule for rule in _refusing_cells(resource, action) if rule.role in seeing]
    for other_resource, other_action in others:
        cells = (rule for rule in _refusing_cells(other_resource, other_action) if rule.role in seeing)
        if other_resource == resource:
            # A role may have the same scope for *update* and for a part of it, such as *sign*.
            # Then both cells refuse the same rows, so only the cell of *update* is returned.
            refused = {(rule.role, rule.scope) for rule in refusals}
            cells = (rule for rule in cells if (rule.role, rule.scope) not in refused)
        refusals += cells
    return refusals


def _roles_that_see_its_path(view: Any, path: str) -> set[str]:
    """Returns the roles that may see the rows named in the path. Other roles get a 404, never a 403."""
    resources = [name for name in settings.RESOURCES if f"{{{name}}}" in path]
    if view.resource in settings.RESOURCES and "{id}" in path:
        resources.append(view.resource)
    return {
        role
        for role in MATRIX_ROLES
        if all(policy.scope_of(resource, "retrieve", role) is not Scope.NONE for resource in resources)
    }


def _refusing_cells(resource: str, action: str) -> Iterator[Rule]:
    for role in MATRIX_ROLES:
        scope = policy.scope_of(resource, action, role)
        is_own = scope is Scope.OWN and action not in _READS and resource in settings.RESOURCES
        if scope is Scope.NONE or is_own:
            yield Rule(resource, action, role, scope)


@cache
def sentences() -> dict[str, str]:
    """Maps the name of each rule outside the policy table to its sentence.

    For example, `contract_stays_with_client` -> "A contract stays with its client."
    """
    known = [*rule_catalogue.of_triggers(), *rule_catalogue.of_models(), *rule_catalogue.OTHERS]
    return {rule.name: rule.sentence for rule in known}


def who_may(resource: str, action: str) -> str:
    """Lists the roles that may do the action, for example "sales (own), management, superuser"."""
    scopes = [(role, policy.scope_of(resource, action, role)) for role in MATRIX_ROLES]
    if all(scope is Scope.OWN for _, scope in scopes):
        return "everybody who is logged in, for themselves"
    return ", ".join(
        role.value + (" (own)" if scope is Scope.OWN else "") for role, scope in scopes if scope is not Scope.NONE
    )
