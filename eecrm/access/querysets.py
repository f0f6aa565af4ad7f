"""Querysets of the rows that the policy table lets a user act on, and ownership checks for single rows."""

from functools import cache
from typing import Any, ClassVar, Self, TypeVar

from django.db.models import Model, Q, QuerySet

from access import policy
from access.compiled_queries import Anybody, Slot, Statement
from access.policy import Caller, Rule, Scope, role_of

M = TypeVar("M", bound=Model, covariant=True)


class PolicyQuerySet(QuerySet[M]):
    """Queryset of one resource of the policy table. A subclass names the resource and defines the scope *own*."""

    resource: ClassVar[str] = ""
    # Role -> lookup from a row to its owner, such as EXTERNAL -> "client__account". Other roles own nothing.
    owners: ClassVar[dict[str, str]] = {}
    # Lookup through the parents -> local column with a copy of the value (ADR 16), such as "client__sales_contact" ->
    # "sales_contact".
    handed_down: ClassVar[dict[str, str]] = {}

    def owner_ids(self, user: Caller) -> tuple[int, ...]:
        """Ids of the contacts whose rows the user owns: the user, and colleagues on leave whom the user replaces."""
        return (user.pk or 0, *getattr(user, "covered_ids", ()))

    def holding(self, user: Caller) -> Q:
        """Condition for the rows whose contact (or linked account) is this user."""
        lookup = self.owners.get(role_of(user))
        return Q((lookup, user.pk)) if lookup else Q(pk__in=())

    def held_by(self, user: Caller) -> Self:
        return self.filter(self.holding(user))

    def owned_by(self, user: Caller) -> Self:
        """Rows of the user, and of the colleagues whom the user replaces during leave at this moment."""
        lookup, ids = self.owners.get(role_of(user)), self.owner_ids(user)
        return self.filter(**{f"{lookup}__in": ids}) if lookup and len(ids) > 1 else self.held_by(user)

    def permitted_by(self, rule: Rule) -> Self:
        """Rows on which `rule.caller` may do `rule.action`. Raises ValueError if the rule is about another resource."""
        if rule.resource != self.resource:
            raise ValueError(f"{rule.id} decides on no {self.resource}.")
        match rule.scope:
            case Scope.ALL:
                return self.all()
            case Scope.OWN if rule.caller is not None:
                return self.owned_by(rule.caller)
            case _:
                return self.none()

    def visible_to(self, user: Caller, *, action: str = "retrieve") -> Self:
        return self.permitted_by(policy.rule(user, self.resource, action))


# Model of Django -> resource. The managers of these models can't name the resource, because they are Django's own.
_OF_DJANGO = {"admin.logentry": "log_entry", "auth.group": "group"}


def resource_of(model: type[Model]) -> str:
    """Resource of the model in the policy table; empty if the table has none."""
    if resource := _OF_DJANGO.get(model._meta.label_lower):
        return resource
    return getattr(model._default_manager.all(), "resource", "")


def owns(user: Caller, row: Any) -> bool:
    model: Any = type(row)
    rows, role = model._default_manager.all(), role_of(user)
    if field := _contact_field(model, role):
        return getattr(row, field.attname) in rows.owner_ids(user)
    if len(rows.owner_ids(user)) > 1:
        return rows.owned_by(user).filter(pk=row.pk).exists()
    return bool(_ownership_query(model, role).rows({"caller": user.pk, "pk": row.pk}))


@cache
def _contact_field(model: type[Model], role: str) -> Any:
    """Foreign key from the row to its owner in this role. None if the owner is found through a parent or not at all."""
    rows: Any = model._default_manager.all()
    lookup = rows.owners.get(role, "")
    return None if not lookup or "__" in lookup else model._meta.get_field(lookup)


@cache
def _ownership_query(model: type[Model], role: str) -> Statement:
    """Query that returns the row if a user of this role owns it. It ignores leave covers."""
    rows: Any = model._default_manager.all()
    return Statement.of(rows.owned_by(Anybody(role)).filter(pk=Slot("pk")).order_by().values_list("pk"))


def would_own(user: Caller, model: type[Model], values: dict[str, Any]) -> bool:
    """Would the user own an unsaved row with `values`?

    A row whose owner is found through its parent counts as owned, because the view has checked the parent before.
    """
    rows: Any = model._default_manager.all()
    role = role_of(user)
    # PostgreSQL copies a field that isn't editable from the parent.
    if (field := _contact_field(model, role)) and field.editable:
        return getattr(values.get(field.name), "pk", None) in rows.owner_ids(user)
    return role in rows.owners


def is_within(user: Caller, action: str, row: Any) -> bool:
    """May the user do the action on this saved row? `PolicyQuerySet.visible_to` gives the same answer for lists."""
    return permits(policy.rule(user, resource_of(type(row)), action), row)


def permits(rule: Rule, row: Any) -> bool:
    """May `rule.caller` do `rule.action` on this saved row?"""
    if rule.scope is Scope.OWN:
        return rule.caller is not None and owns(rule.caller, row)
    return rule.scope is Scope.ALL
