"""State rules: while a row has a certain state, an action on it is refused to all roles, or to all but some.

Triggers enforce them: `refuse('name')` in SQL raises an error with the rule's name and sentence.
Each app declares its rules in `state_rules.py`. `{object}/access/`, the OpenAPI document and docs/access.md read the
same declarations.
"""

import json
from functools import cache
from importlib import import_module
from typing import NamedTuple

from django.apps import apps
from django.utils.module_loading import module_has_submodule


class StateRule(NamedTuple):
    """A state rule, with its sentence for the user.

    `when` says in words which writes a trigger checks. It is empty if no trigger enforces the rule.

    While a row of `resource` has one of `statuses`, the rule refuses `actions` on it, unless the caller's role has the
    action `unless`. An action such as `create_event` refers to the parent, here the contract. These fields only predict
    the trigger's decision, for `{object}/access/`.
    """

    name: str
    sentence: str
    when: str = ""
    resource: str = ""
    actions: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    unless: str = ""
    is_moot: bool = False  # the action would change nothing, such as signing a signed contract
    needs_reason: bool = False  # 400 reason_required instead of 409: the action is allowed with X-Change-Reason


@cache
def declared_rules() -> dict[str, StateRule]:
    """Returns name -> rule for the rules of all installed apps, in the order of INSTALLED_APPS."""
    modules = [
        import_module(f"{app.name}.state_rules")
        for app in apps.get_app_configs()
        if app.name != "access" and module_has_submodule(app.module, "state_rules")
    ]
    return {rule.name: rule for module in modules for rule in module.RULES}


def refuse_function() -> str:
    """Returns the SQL that creates `refuse(rule)`, which triggers call.

    The function raises a check violation with the rule's name as the constraint and the rule's sentence as the message.
    """
    sentences = json.dumps({rule.name: rule.sentence for rule in declared_rules().values() if rule.when}, indent=4)
    return f"""CREATE OR REPLACE FUNCTION refuse(rule text) RETURNS void LANGUAGE plpgsql AS $refuse$
DECLARE
    sentences jsonb := $rules${sentences}$rules$;
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = rule, MESSAGE = coalesce(sentences ->> rule, rule);
END
$refuse$"""
