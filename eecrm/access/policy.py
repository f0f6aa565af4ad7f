"""Permission matrix of Epic Events: the rows on which each role may do each action on each resource.

TABLE is the only place that states the permissions. Permission classes, querysets, the admin site, PostgreSQL's
privileges and the README's table are all derived from TABLE. An action that TABLE doesn't list is denied.
"""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from django.db.models import TextChoices

from access.groups import groups_that_open

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser


class Role(TextChoices):
    """Roles of accounts. An account with `is_superuser` has the role SUPERUSER, which its field `role` never stores."""

    EXTERNAL = "external", "External partner"
    SALES = "sales", "Sales"
    SUPPORT = "support", "Support"
    MANAGEMENT = "management", "Management"
    AUDITOR = "auditor", "Auditor"
    SUPERUSER = "superuser", "Superuser"


class Scope(StrEnum):
    """Rows of a resource on which a role may do an action: none, the user's own (`PolicyQuerySet.owned_by`) or all."""

    NONE = "none"
    OWN = "own"
    ALL = "all"


NONE, OWN, ALL = Scope.NONE, Scope.OWN, Scope.ALL

TABLE: tuple[tuple[str, str, Scope, Scope, Scope, Scope, Scope, Scope], ...] = (
    # resource       action      external sales support management auditor superuser
    ("client",       "list",     OWN,     ALL,  ALL,    ALL,       ALL,    ALL),
    ("client",       "retrieve", OWN,     ALL,  ALL,    ALL,       ALL,    ALL),
    ("client",       "create",   NONE,    OWN,  NONE,   ALL,       NONE,   ALL),
    ("client",       "update",   NONE,    ALL,  NONE,   ALL,       NONE,   ALL),
    ("client",       "assign",   NONE,    NONE, NONE,   ALL,       NONE,   ALL),
    ("client",       "delete",   NONE,    ALL,  NONE,   ALL,       NONE,   ALL),
    ("client",       "restore",  NONE,    NONE, NONE,   ALL,       NONE,   ALL),
    ("contract",     "list",     OWN,     ALL,  ALL,    ALL,       ALL,    ALL),
    ("contract",     "retrieve", OWN,     ALL,  ALL,    ALL,       ALL,    ALL),
    ("contract",     "create",   NONE,    OWN,  NONE,   ALL,       NONE,   ALL),
    ("contract",     "update",   NONE,    OWN,  NONE,   ALL,       NONE,   ALL),
    ("contract",     "sign",     NONE,    OWN,  NONE,   ALL,       NONE,   ALL),
    ("contract",     "amend",    NONE,    NONE, NONE,   ALL,       NONE,   ALL),
    ("contract",     "reopen",   NONE,    NONE, NONE,   ALL,       NONE,   ALL),
    ("contract",     "delete",   NONE,    OWN,  NONE,   ALL,       NONE,   ALL),
    ("contract",     "restore",  NONE,    NONE, NONE,   ALL,       NONE,   ALL),
    ("event",        "list",     OWN,     ALL,  ALL,    ALL,       ALL,    ALL),
    ("event",        "retrieve", OWN,     ALL,  ALL,    ALL,       ALL,    ALL),
    ("event",        "create",   NONE,    OWN,  NONE,   ALL,       NONE,   ALL),
    ("event",        "update",   NONE,    NONE, OWN,    ALL,       NONE,   ALL),
    ("event",        "assign",   NONE,    NONE, NONE,   ALL,       NONE,   ALL),
    ("event",        "reopen",   NONE,    NONE, NONE,   ALL,       NONE,   ALL),
    ("event",        "delete",   NONE,    NONE, OWN,    ALL,       NONE,   ALL),
    ("event",        "restore",  NONE,    NONE, NONE,   ALL,       NONE,   ALL),
    ("user",         "list",     NONE,    NONE, NONE,   ALL,       ALL,    ALL),
    ("user",         "retrieve", NONE,    NONE, NONE,   ALL,       ALL,    ALL),
    ("user",         "create",   NONE,    NONE, NONE,   ALL,       NONE,   ALL),
    ("user",         "update",   NONE,    NONE, NONE,   ALL,       NONE,   ALL),
    ("user",         "delete",   NONE,    NONE, NONE,   ALL,       NONE,   ALL),
    ("user",         "promote",  NONE,    NONE, NONE,   NONE,      NONE,   ALL),
    ("group",        "list",     NONE,    NONE, NONE,   ALL,       ALL,    ALL),
    ("group",        "retrieve", NONE,    NONE, NONE,   ALL,       ALL,    ALL),
    ("group",        "create",   NONE,    NONE, NONE,   ALL,       NONE,   ALL),
    ("group",        "update",   NONE,    NONE, NONE,   ALL,       NONE,   ALL),
    ("group",        "delete",   NONE,    NONE, NONE,   ALL,       NONE,   ALL),
    ("cover",        "list",     NONE,    NONE, NONE,   ALL,       ALL,    ALL),
    ("cover",        "retrieve", NONE,    NONE, NONE,   ALL,       ALL,    ALL),
    ("cover",        "create",   NONE,    NONE, NONE,   ALL,       NONE,   ALL),
    ("cover",        "update",   NONE,    NONE, NONE,   ALL,       NONE,   ALL),
    ("cover",        "delete",   NONE,    NONE, NONE,   NONE,      NONE,   NONE),
    ("cover",        "restore",  NONE,    NONE, NONE,   NONE,      NONE,   ALL),
    ("user",         "set_password", NONE, NONE, NONE, NONE,     NONE,   ALL),
    ("mail",         "list",     NONE,    NONE, NONE,   ALL,       ALL,    ALL),
    ("mail",         "retrieve", NONE,    NONE, NONE,   ALL,       ALL,    ALL),
    ("mail",         "update",   NONE,    NONE, NONE,   ALL,       NONE,   ALL),
    ("log_entry",    "list",     NONE,    NONE, NONE,   ALL,       ALL,    ALL),
    ("log_entry",    "retrieve", NONE,    NONE, NONE,   ALL,       ALL,    ALL),
    ("trail",        "list",     NONE,    NONE, NONE,   ALL,       ALL,    ALL),
    ("trail",        "retrieve", NONE,    NONE, NONE,   ALL,       ALL,    ALL),
    ("access",       "explain",  NONE,    NONE, NONE,   ALL,       ALL,    ALL),
    ("contact",      "list",     NONE,    ALL,  NONE,   ALL,       NONE,   ALL),
    ("profile",      "retrieve", OWN,     OWN,  OWN,    OWN,       OWN,    OWN),
    ("profile",      "update",   OWN,     OWN,  OWN,    OWN,       OWN,    OWN),
    ("session",      "list",     OWN,     OWN,  OWN,    OWN,       OWN,    OWN),
    ("session",      "delete",   OWN,     OWN,  OWN,    OWN,       OWN,    OWN),
    ("admin_site",   "retrieve", NONE,    NONE, NONE,   ALL,       ALL,    ALL),
    ("offline_copy", "retrieve", OWN,     ALL,  ALL,    ALL,       ALL,    ALL),
    ("personal_data", "retrieve", OWN,    ALL,  ALL,    ALL,       NONE,   ALL),
    ("personal_data", "export",  NONE,    NONE, NONE,   ALL,       NONE,   ALL),
)  # fmt: skip

MATRIX_ROLES = (Role.EXTERNAL, Role.SALES, Role.SUPPORT, Role.MANAGEMENT, Role.AUDITOR, Role.SUPERUSER)

_scopes: dict[tuple[str, str, str], Scope] = {
    (resource, action, role): scope
    for resource, action, *scopes in TABLE
    for role, scope in zip(MATRIX_ROLES, scopes, strict=True)
}


class FieldAction(NamedTuple):
    """Change of one field that needs a permission besides *update*. For example, a contract's status needs *sign*.

    `to` is the new value that needs the permission. If `to` is None, every new value needs it.
    """

    action: str
    field: str
    to: str | None = None


# Maps a resource to the changes that need a permission besides *update*.
# Without the further permission the API answers 403, and PostgreSQL's privileges or triggers refuse the change.
FINER_THAN_UPDATE: dict[str, tuple[FieldAction, ...]] = {
    "client": (FieldAction("assign", "sales_contact"), FieldAction("assign", "account")),
    "contract": (FieldAction("sign", "status", "signed"),),
    "event": (FieldAction("assign", "support_contact"),),
}
# Actions that PostgreSQL's triggers check with `policy_allows`, a function compiled from TABLE.
# *Amend*, *reopen* and *restore* are needed only while a row has certain states, for example to change a signed contract.
# A role that may not do such an action gets the error 409 (wrong state) and not 403.
STATE_ACTIONS = frozenset({"assign", "sign", "amend", "reopen", "restore", "promote", "set_password"})


# Resources whose rows belong to an employee, for example to the sales contact of a client.
# If the employee is on leave, the colleague who stands in (leave cover) owns these rows too.
# A resource is one of them if TABLE lets one staff role do an action on *own* rows, and another role on *all* rows.
# Profiles and sessions are none of them: every user may act on their own profile and sessions only.
CONTACT_RESOURCES = tuple(
    dict.fromkeys(resource for resource, _, _external, *staff in TABLE if OWN in staff and ALL in staff)
)


# Maps (resource, action) to the words for this action in a rule's sentence ("Your role may …").
# Without an entry here, the words are made from action and resource, such as "update any client".
_PHRASES = {
    ("access", "explain"): "ask what somebody else may do",
    ("user", "set_password"): "set somebody else's password",
}


class Actor(Protocol):
    """Attributes of an account that the functions of this module read."""

    @property
    def pk(self) -> int: ...
    @property
    def effective_role(self) -> str: ...
    @property
    def group_names(self) -> frozenset[str]: ...
    @property
    def covered_ids(self) -> tuple[int, ...]: ...
    @property
    def covering(self) -> tuple[tuple[str, datetime], ...]: ...  # (name of a colleague on leave, end of the cover)


Caller: TypeAlias = "Actor | AnonymousUser"


class Rule(NamedTuple):
    """Cell of the policy table that decides whether a caller may do an action. `sentence` explains the decision."""

    resource: str
    action: str
    role: str
    scope: Scope
    caller: "Caller | None" = None

    @property
    def id(self) -> str:
        return f"{self.resource}.{self.action}.{self.role or 'anonymous'}.{self.scope}"

    @property
    def sentence(self) -> str:
        """Explains the rule to the caller: "Your role may …".

        It runs a query only if the caller stands in for a colleague on leave.
        """
        return self._build_sentence("Your role", linked="your account is", contact="you are")

    def sentence_about(self, name: str) -> str:
        """Explains the rule to another user: "The role of Ann may …". `name` is the name of the caller's account."""
        return self._build_sentence(f"The role of {name}", linked="their account is", contact="they are")

    def _build_sentence(self, role: str, *, linked: str, contact: str) -> str:
        noun = self.resource.replace("_", " ")
        article = "an" if noun.startswith(("a", "e", "i", "o")) else "a"
        phrase = _PHRASES.get((self.resource, self.action), "")
        match self.scope:
            case Scope.ALL:
                return f"{role} may {phrase or f'{self.action} any {noun}'}."
            case Scope.OWN if self.role == Role.EXTERNAL:
                return f"{role} may {self.action} {article} {noun} only where {linked} linked to it."
            case Scope.OWN:
                return f"{role} may {self.action} {article} {noun} only where {contact} its contact{self._as_cover()}."
        return f"{role} may not {phrase or f'{self.action} {article} {noun}'}."

    def _as_cover(self) -> str:
        covering = getattr(self.caller, "covering", ()) if self.resource in CONTACT_RESOURCES else ()
        named = " and ".join(f"for {name} until {until.day} {until:%B %Y}" for name, until in covering)
        return f", or as cover {named}" if named else ""


def role_of(user: Caller) -> str:
    """Returns the user's role in the policy table; "" for an anonymous user."""
    return getattr(user, "effective_role", "")


def rule(user: Caller, resource: str, action: str) -> Rule:
    """Returns the rule (cell of the policy table) for this caller, resource and action.

    If TABLE doesn't list the resource, action or role, the rule's scope is *none*. A managed group may allow its
    members an action that their role may not do (`access.groups`).
    """
    role = role_of(user)
    scope = scope_of(resource, action, role)
    if scope is Scope.NONE and (opening := groups_that_open(resource, action)):
        scope = Scope.NONE if opening.isdisjoint(getattr(user, "group_names", ())) else Scope.ALL
    return Rule(resource, action, role, scope, user)


def knows(resource: str, action: str) -> bool:
    return (resource, action, Role.SUPERUSER) in _scopes


def scope_of(resource: str, action: str, role: str) -> Scope:
    return _scopes.get((resource, action, role), Scope.NONE)


def contact_roles() -> tuple[Role, ...]:
    """Returns the roles whose users own a row by being its contact, for example the `sales_contact` of a client.

    A colleague can stand in for a user with one of these roles. Partners aren't among these roles: a partner owns a
    row because a client is linked to the partner's account.
    """
    owners = {role for (resource, _, role), scope in _scopes.items() if resource in CONTACT_RESOURCES and scope is OWN}
    return tuple(role for role in MATRIX_ROLES if role in owners and role is not Role.EXTERNAL)


def sees_personal_data(user: Caller) -> bool:
    """True if the user may see email addresses and phone numbers in full.

    Auditors may not: they see these values masked with stars.
    """
    return rule(user, "personal_data", "retrieve").scope is not Scope.NONE


def may_export_personal_data(user: Caller) -> bool:
    """True if the user may export email addresses and phone numbers to a file."""
    return rule(user, "personal_data", "export").scope is not Scope.NONE


def matrix_of(user: Caller) -> dict[str, dict[str, str]]:
    """Maps each resource to the user's scope for each action: `{"client": {"list": "all", "create": "own"}}`."""
    matrix: dict[str, dict[str, str]] = {}
    for resource, action, *_ in TABLE:
        matrix.setdefault(resource, {})[action] = rule(user, resource, action).scope.value
    return matrix
