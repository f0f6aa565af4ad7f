"""Querysets of the rows on which the policy table lets a user act, and ownership checks for single rows."""

from functools import cache
from typing import Any, ClassVar, Self, TypeVar

from django.db.models import Model, Q, QuerySet

from access import policy
from access.compiled_queries import Anybody, Slot, Statement
from access.policy import Caller, Rule, Scope, role_of

M = TypeVar("M", bound=Model, covariant=True)


class PolicyQuerySet(QuerySet[M]):
    """Queryset for one resource of the policy table. A subclass states its resource and the owners of its rows."""

    resource: ClassVar[str] = ""
    # Maps a role to the lookup from a row to its owner, for example EXTERNAL -> "client__account".
    # A role that `owners` doesn't list owns no rows.
    owners: ClassVar[dict[str, str]] = {}
    # Maps a lookup through parents to the local copy of the value: "client__sales_contact" -> "sales_contact" (ADR 16).
    handed_down: ClassVar[dict[str, str]] = {}

    def owner_ids(self, user: Caller) -> tuple[int, ...]:
        """Returns the ids of the accounts whose rows the user owns.

        These are the user's own id, and the ids of colleagues on leave for whom the user stands in.
        """
        return (user.pk or 0, *getattr(user, "covered_ids", ()))

    def holding(self, user: Caller) -> Q:
        """Returns the condition for rows whose contact (or linked account) is this user. Leave covers don't count."""
        lookup = self.owners.get(role_of(user))
        return Q((lookup, user.pk)) if lookup else Q(pk__in=())

    def held_by(self, user: Caller) -> Self:
        return self.filter(self.holding(user))

    def owned_by(self, user: Caller) -> Self:
        """Returns the rows of this user, and of colleagues on leave for whom the user stands in now."""
        lookup, ids = self.owners.get(role_of(user)), self.owner_ids(user)
        return self.filter(**{f"{lookup}__in": ids}) if lookup and len(ids) > 1 else self.held_by(user)

    def permitted_by(self, rule: Rule) -> Self:
        """Returns the rows on which `rule.caller` may do `rule.action`.

        Raises ValueError if the rule is for another resource than the queryset.
        """
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


# Maps Django's own models to their resources. The managers of Django's models have no attribute `resource`.
_OF_DJANGO = {"admin.logentry": "log_entry", "auth.group": "group"}


def resource_of(model: type[Model]) -> str:
    """Returns the name of the model's resource in the policy table; "" if the model has none."""
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
    """Returns the model's foreign key to the user who owns a row, for example `sales_contact` for the role sales.

    None if a parent row leads to the owner, or if users of the role own no rows of the table.
    """
    rows: Any = model._default_manager.all()
    lookup = rows.owners.get(role, "")
    return None if not lookup or "__" in lookup else model._meta.get_field(lookup)


@cache
def _ownership_query(model: type[Model], role: str) -> Statement:
    """Returns a compiled query with two parameters: a user of this role, and the primary key of a row.

    The query finds the row if the user owns it. Rows of colleagues on leave, for whom the user stands in, don't count.
    """
    rows: Any = model._default_manager.all()
    return Statement.of(rows.owned_by(Anybody(role)).filter(pk=Slot("pk")).order_by().values_list("pk"))


def would_own(user: Caller, model: type[Model], values: dict[str, Any]) -> bool:
    """True if the user would own an unsaved row with `values`.

    If a parent row leads to the owner, the unsaved row counts as owned, because the view has checked the parent before.
    """
    rows: Any = model._default_manager.all()
    role = role_of(user)
    # The owner's column is compared with the user's id, and with the ids of colleagues for whom the user stands in.
    # A column that isn't editable needs no comparison: its value comes from the parent row, which the view has checked.
    if (field := _contact_field(model, role)) and field.editable:
        return getattr(values.get(field.name), "pk", None) in rows.owner_ids(user)
    return role in rows.owners


def is_within(user: Caller, action: str, row: Any) -> bool:
    """True if the user may do the action on this saved row. `PolicyQuerySet.visible_to` decides the same for lists."""
    return permits(policy.rule(user, resource_of(type(row)), action), row)


def permits(rule: Rule, row: Any) -> bool:
    """True if `rule.caller` may do `rule.action` on this saved row."""
    if rule.scope is Scope.OWN:
        return rule.caller is not None and owns(rule.caller, row)
    return rule.scope is Scope.ALL
