"""Explains which actions an account may do on one row, each with the rule that decides (`{object}/access/`).

Permissions are checked before state rules, as for a real request. So an answer names the rule that would allow or
refuse the request.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

from django.db.models import Model

from access import policy, state_rules
from access.policy import FINER_THAN_UPDATE, TABLE, Caller, Rule, Scope
from access.querysets import owns, resource_of
from access.refusals import still_used
from access.state_rules import StateRule

# The actions *list*, *create* and *restore* need no existing row, so the explanation of a row leaves them out.
_ELSEWHERE = ("list", "create", "restore")
_BELOW = "create_"


class Answer(NamedTuple):
    """Answer for one action on a row. `rule` is the id of the rule that allows or refuses the action.

    `reason` is the sentence of this rule.
    """

    action: str
    allowed: bool
    rule: str
    reason: str
    change_reason_required: bool = False


def below(model: type[Model]) -> Iterator[tuple[str, type[Model]]]:
    """Yields name and model of each child resource, for example ("contract", Contract) for the model Client."""
    children: Any = [relation.related_model for relation in model._meta.related_objects]
    return ((resource, child) for child in children if (resource := resource_of(child)))


def actions_of(model: type[Model]) -> list[str]:
    """Returns the actions on an existing row of the model: those of the policy table, and `create_<child>`.

    For example, `create_contract` is an action on a client.
    """
    resource = resource_of(model)
    own = [action for listed, action, *_ in TABLE if listed == resource and action not in _ELSEWHERE]
    return own + [_BELOW + child for child, _ in below(model)]


def cells_asked(resource: str, action: str) -> tuple[tuple[str, str], ...]:
    """Returns the cells (resource, action) of the policy table that the server checks for an action.

    The cells are in the order of the checks. For an action that changes a row, such as *sign*, the cell of *update* comes
    first. The server checks state rules after all cells; they aren't in the result.
    """
    if action.startswith(_BELOW):
        return ((action.removeprefix(_BELOW), "create"),)
    if action in ("retrieve", "update", "delete"):
        return ((resource, action),)
    finer = any(change.action == action for change in FINER_THAN_UPDATE.get(resource, ()))
    return ((resource, "update"), (resource, action)) if finer else ((resource, "update"),)


def explained(user: Caller, row: Any, *, about: str = "") -> list[Answer]:
    """Returns an answer for each action on the row.

    `about` is the account's name if another user asks about the account. Otherwise the sentences say "your role".
    """
    explanation = _Explanation(user, row, about)
    return [explanation.answer(action) for action in actions_of(type(row))]


class _Explanation:
    def __init__(self, user: Caller, row: Any, about: str) -> None:
        self.user, self.row, self.about = user, row, about
        self.resource = resource_of(type(row))

    @cached_property
    def is_own(self) -> bool:
        return owns(self.user, self.row)

    @cached_property
    def referring_models(self) -> list[type[Model]]:
        """Returns the models with rows that refer to this row, for example Contract if the client has contracts.

        The query finds all such rows, because a user who may delete this row may also see them.
        """
        related = ((relation.related_model, relation.field.name) for relation in type(self.row)._meta.related_objects)
        return [model for model, name in related if model._default_manager.filter(**{name: self.row.pk}).exists()]

    def answer(self, action: str) -> Answer:
        cells = ((self.resource, "retrieve"), *cells_asked(self.resource, action))
        rules = [policy.rule(self.user, *cell) for cell in cells]
        if refusal_rule := next((rule for rule in rules if not self._permits(rule)), None):
            return Answer(action, False, refusal_rule.id, self._sentence(refusal_rule))
        if action == "delete" and self.referring_models:
            refusal = still_used(type(self.row), self.referring_models[0])
            return Answer(action, False, refusal.rule, refusal.sentence)
        return self._answer_by_state(action, rules[-1])

    def _answer_by_state(self, action: str, decisive: Rule) -> Answer:
        """Returns the answer for an action that the policy table permits, but that a state rule may still refuse.

        A state rule may also require a change reason for the action.
        """
        demands_reason = False
        for state in self._states(action):
            if state.needs_reason:
                demands_reason = True
                continue
            exemption = policy.rule(self.user, self.resource, state.unless)
            if exemption.scope is Scope.NONE:  # the row's owner plays no part here, as in the triggers
                return Answer(action, False, state.name, state.sentence)
            decisive = exemption
        return Answer(action, True, decisive.id, self._sentence(decisive), demands_reason)

    def _states(self, action: str) -> list[StateRule]:
        rules = (rule for rule in state_rules.declared_rules().values() if rule.resource == self.resource)
        status = getattr(self.row, "status", "")  # some resources have no status
        return [rule for rule in rules if action in rule.actions and status in rule.statuses]

    def _permits(self, rule: Rule) -> bool:
        return self.is_own if rule.scope is Scope.OWN else rule.scope is Scope.ALL

    def _sentence(self, rule: Rule) -> str:
        return rule.sentence_about(self.about) if self.about else rule.sentence
