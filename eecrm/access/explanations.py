"""What an account may do with one row, action by action, each with the rule that decides (`{object}/access/`).

Permission first, state second, in the server's own order: what is told here is what it would answer.
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

# On no single row that is there.
_ELSEWHERE = ("list", "create", "restore")
_BELOW = "create_"


class Answer(NamedTuple):
    """`rule` is the one that allows or the one that refuses, `reason` its sentence."""

    action: str
    allowed: bool
    rule: str
    reason: str
    change_reason_required: bool = False


def below(model: type[Model]) -> Iterator[tuple[str, type[Model]]]:
    """`("contract", Contract)` of Client: the resources whose rows hang on rows of this one, and hold them."""
    children: Any = [relation.related_model for relation in model._meta.related_objects]
    return ((resource, child) for child in children if (resource := resource_of(child)))


def actions_of(model: type[Model]) -> list[str]:
    """The actions of the matrix on a row of it, and the creation of what hangs on it."""
    resource = resource_of(model)
    own = [action for listed, action, *_ in TABLE if listed == resource and action not in _ELSEWHERE]
    return own + [_BELOW + child for child, _ in below(model)]


def cells_asked(resource: str, action: str) -> tuple[tuple[str, str], ...]:
    """The cells of the table that the server asks before any rule of state, in its order. Every change is an *update*."""
    if action.startswith(_BELOW):
        return ((action.removeprefix(_BELOW), "create"),)
    if action in ("retrieve", "update", "delete"):
        return ((resource, action),)
    finer = any(change.action == action for change in FINER_THAN_UPDATE.get(resource, ()))
    return ((resource, "update"), (resource, action)) if finer else ((resource, "update"),)


def explained(user: Caller, row: Any, *, about: str = "") -> list[Answer]:
    """About each action on this row. `about` names the account where somebody else asks, for the sentences."""
    asked = _Asked(user, row, about)
    return [asked.answer(action) for action in actions_of(type(row))]


class _Asked:
    def __init__(self, user: Caller, row: Any, about: str) -> None:
        self.user, self.row, self.about = user, row, about
        self.resource = resource_of(type(row))

    @cached_property
    def is_own(self) -> bool:
        return owns(self.user, self.row)

    @cached_property
    def holders(self) -> list[type[Model]]:
        """The models of which rows hang on this one. Whoever may delete it sees them all; PostgreSQL does anyway."""
        related = ((relation.related_model, relation.field.name) for relation in type(self.row)._meta.related_objects)
        return [model for model, name in related if model._default_manager.filter(**{name: self.row.pk}).exists()]

    def answer(self, action: str) -> Answer:
        cells = ((self.resource, "retrieve"), *cells_asked(self.resource, action))
        rules = [policy.rule(self.user, *cell) for cell in cells]
        if refusing := next((rule for rule in rules if not self._permits(rule)), None):
            return Answer(action, False, refusing.id, self._sentence(refusing))
        if action == "delete" and self.holders:
            refusal = still_used(type(self.row), self.holders[0])
            return Answer(action, False, refusal.rule, refusal.sentence)
        return self._in_its_state(action, rules[-1])

    def _in_its_state(self, action: str, decisive: Rule) -> Answer:
        """What is permitted, if the row's state doesn't stand in the way."""
        demands_reason = False
        for state in self._states(action):
            if state.needs_reason:
                demands_reason = True
                continue
            lifting = policy.rule(self.user, self.resource, state.unless)
            if lifting.scope is Scope.NONE:  # triggers ask what the role may, and not whose row it is
                return Answer(action, False, state.name, state.sentence)
            decisive = lifting
        return Answer(action, True, decisive.id, self._sentence(decisive), demands_reason)

    def _states(self, action: str) -> list[StateRule]:
        rules = (rule for rule in state_rules.declared().values() if rule.resource == self.resource)
        status = getattr(self.row, "status", "")  # not every resource has one
        return [rule for rule in rules if action in rule.actions and status in rule.statuses]

    def _permits(self, rule: Rule) -> bool:
        return self.is_own if rule.scope is Scope.OWN else rule.scope is Scope.ALL

    def _sentence(self, rule: Rule) -> str:
        return rule.sentence_about(self.about) if self.about else rule.sentence
