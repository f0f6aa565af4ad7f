"""Which rows exist for whom."""

from functools import cache
from typing import Any, ClassVar, Self, TypeVar

from django.db.models import Model, Q, QuerySet

from access import policy
from access.compiled_queries import Anybody, Slot, Statement
from access.policy import Caller, Rule, Scope, role_of

M = TypeVar("M", bound=Model, covariant=True)


class PolicyQuerySet(QuerySet[M]):
    """A queryset of one resource of the policy table. Subclasses name it and say what *own* means, once."""

    resource: ClassVar[str] = ""
    # How a row leads to its contact (or linked account), by the role of that person. Other roles own nothing.
    owners: ClassVar[dict[str, str]] = {}
    # What a row has itself of what its parents lead to: the way there, and its own column (docs/adr/0016).
    handed_down: ClassVar[dict[str, str]] = {}
    # What the triggers refuse on a row by its status; for those who ask before they try.

    def owner_ids(self, user: Caller) -> tuple[int, ...]:
        """Whose rows are the user's own: theirs, and while they cover for colleagues those colleagues' too."""
        return (user.pk or 0, *getattr(user, "covered_ids", ()))

    def holding(self, user: Caller) -> Q:
        """What is true of the rows whose contact (or linked account) is this user."""
        lookup = self.owners.get(role_of(user))
        return Q((lookup, user.pk)) if lookup else Q(pk__in=())

    def held_by(self, user: Caller) -> Self:
        return self.filter(self.holding(user))

    def owned_by(self, user: Caller) -> Self:
        """The user's own rows, and while they cover for colleagues also theirs."""
        lookup, ids = self.owners.get(role_of(user)), self.owner_ids(user)
        return self.filter(**{f"{lookup}__in": ids}) if lookup and len(ids) > 1 else self.held_by(user)

    def permitted_by(self, rule: Rule) -> Self:
        """The rows on which the caller of this rule may do its action. Raises ValueError for another resource's rule."""
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


# Models of Django's, whose managers can't say it.
_OF_DJANGO = {"admin.logentry": "log_entry", "auth.group": "group"}


def resource_of(model: type[Model]) -> str:
    """The resource of the policy table that this model's rows are; empty for one that the table doesn't know."""
    if resource := _OF_DJANGO.get(model._meta.label_lower):
        return resource
    return getattr(model._default_manager.all(), "resource", "")


def owns(user: Caller, row: Any) -> bool:
    model: Any = type(row)
    rows, role = model._default_manager.all(), role_of(user)
    if field := _contact(model, role):
        return getattr(row, field.attname) in rows.owner_ids(user)
    if len(rows.owner_ids(user)) > 1:
        return rows.owned_by(user).filter(pk=row.pk).exists()
    return bool(_owned(model, role).rows({"caller": user.pk, "pk": row.pk}))


@cache
def _contact(model: type[Model], role: str) -> Any:
    """The field of a row that says whose it is; None where only its parents say so."""
    lookup = model._default_manager.all().owners.get(role, "")  # type: ignore[attr-defined]  # a resource has a PolicyQuerySet
    return None if not lookup or "__" in lookup else model._meta.get_field(lookup)


@cache
def _owned(model: type[Model], role: str) -> Statement:
    """The row, where it is the own of whoever has this role and covers for nobody."""
    rows: Any = model._default_manager.all()
    return Statement.of(rows.owned_by(Anybody(role)).filter(pk=Slot("pk")).order_by().values_list("pk"))


def would_own(user: Caller, model: type[Model], values: dict[str, Any]) -> bool:
    """Whether a row with these values would be the user's own. What hangs on a parent is owned as its parent is."""
    rows, role = model._default_manager.all(), role_of(user)
    if (field := _contact(model, role)) and field.editable:  # else PostgreSQL hands it down
        return getattr(values.get(field.name), "pk", None) in rows.owner_ids(user)  # type: ignore[attr-defined]  # as above
    return role in rows.owners  # type: ignore[attr-defined]  # as above


def is_within(user: Caller, action: str, row: Any) -> bool:
    """Whether this saved row is one on which the user may do the action: the question that the lists ask, for one."""
    return permits(policy.rule(user, resource_of(type(row)), action), row)


def permits(rule: Rule, row: Any) -> bool:
    """Whether this saved row is one on which the caller of the rule may do its action."""
    if rule.scope is Scope.OWN:
        return rule.caller is not None and owns(rule.caller, row)
    return rule.scope is Scope.ALL
