"""State rules: while a row has a certain state, an action on the row is refused to all roles, or to all but some.

PostgreSQL's triggers enforce the rules: `refuse('name')` in SQL raises an error with the rule's name and sentence. Each
app declares its rules in `state_rules.py`. `{object}/access/`, the OpenAPI document and docs/access.md read the same
declarations.
"""

import json
from functools import cache
from importlib import import_module
from typing import NamedTuple

from django.apps import apps
from django.utils.module_loading import module_has_submodule


class StateRule(NamedTuple):
    """A state rule, with its sentence for the user.

    `when` describes the writes that a trigger checks. `when` is empty if no trigger enforces the rule.

    While a row of `resource` has one of `statuses`, the rule refuses `actions` on the row. `unless` names an action: a
    role that may do it is exempt from the rule. For an action such as `create_event`, the row is the parent row, here
    the contract.

    The trigger alone decides. With `resource`, `actions`, `statuses` and `unless`, `{object}/access/` says beforehand
    what the trigger will decide.
    """

    name: str
    sentence: str
    when: str = ""
    resource: str = ""
    actions: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    unless: str = ""
    is_moot: bool = (
        False  # true if the rule refuses actions that would change nothing, such as signing a signed contract
    )
    # True if the action needs a change reason in the header X-Change-Reason.
    # Without the header X-Change-Reason the answer is 400 `reason_required`, while other state rules answer 409.
    needs_reason: bool = False


@cache
def declared_rules() -> dict[str, StateRule]:
    """Maps rule name to rule, for the state rules of all installed apps, in the order of INSTALLED_APPS."""
    modules = [
        import_module(f"{app.name}.state_rules")
        for app in apps.get_app_configs()
        if app.name != "access" and module_has_submodule(app.module, "state_rules")
    ]
    return {rule.name: rule for module in modules for rule in module.RULES}


def refuse_function() -> str:
    """Returns the SQL that creates the PostgreSQL function `refuse(rule)`, which triggers call.

    The function raises a check violation: its constraint is the rule's name, and its message the rule's sentence.
    """
    sentences = json.dumps({rule.name: rule.sentence for rule in declared_rules().values() if rule.when}, indent=4)
    return f"""CREATE OR REPLACE FUNCTION refuse(rule text) RETURNS void LANGUAGE plpgsql AS $refuse$
DECLARE
    sentences jsonb := $rules${sentences}$rules$;
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = rule, MESSAGE = coalesce(sentences ->> rule, rule);
END
$refuse$"""
