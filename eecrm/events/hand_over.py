"""When somebody leaves or moves: what they look after goes to a successor.

The one rule that writes to clients and events alike: clients for sales, whose contracts and events follow, and for support
the events that are still to come. What a person looks after shows in the rows, not in their role: somebody who has moved
to another role meanwhile hands over all the same.
"""

from typing import NamedTuple

from django.db.models import QuerySet
from django.http import HttpRequest

from access.database import origin
from access.policy import Role
from access.security_log import security_event
from accounts.models import PUBLIC_FIELDS, User
from clients.models import Client
from contracts.models import Contract
from events.models import Event

# What it takes, by the policy table; *update* of the account beside it, where that is deactivated.
CELLS = (("client", "assign"), ("event", "assign"))


class CannotHandOver(Exception):
    """Why not, as a sentence."""


class HandOverCounts(NamedTuple):
    clients: int
    unsigned_contracts: int
    coming_events: int

    def __str__(self) -> str:
        return (
            f"{_counted(self.clients, 'client')}, {_counted(self.unsigned_contracts, 'unsigned contract')} "
            f"and {_counted(self.coming_events, 'coming event')}"
        )


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def clients_of(leaver: User) -> QuerySet[Client]:
    return Client.objects.filter(sales_contact=leaver)


def events_of(leaver: User) -> QuerySet[Event]:
    """Those that this person still has to carry out."""
    return Event.objects.filter(support_contact=leaver).exclude(status=Event.Status.CLOSED)


def numbers(leaver: User, role: str) -> HandOverCounts:
    """What would go to a successor of this role, along with what follows it."""
    open_events = Event.objects.exclude(status=Event.Status.CLOSED)
    match role:
        case Role.SALES:
            return HandOverCounts(
                clients_of(leaver).count(),
                Contract.objects.filter(sales_contact=leaver, status=Contract.Status.DRAFT).count(),
                open_events.filter(sales_contact=leaver).count(),
            )
        case Role.SUPPORT:
            return HandOverCounts(0, 0, events_of(leaver).count())
    return HandOverCounts(0, 0, 0)


def successors(leaver: User) -> QuerySet[User]:
    """Active contacts of the leaver's role, or of the role that what the leaver still has belongs to."""
    roles = {leaver.role} & {Role.SALES, Role.SUPPORT}
    roles |= {Role.SALES} if clients_of(leaver).exists() else set()
    roles |= {Role.SUPPORT} if events_of(leaver).exists() else set()
    people = User.objects.active().filter(role__in=roles, is_superuser=False).exclude(pk=leaver.pk)
    return people.only(*PUBLIC_FIELDS).order_by("display_name", "pk")


def hand_over(leaver: User, successor: User, *, deactivates: bool) -> HandOverCounts:
    """What went over. The reason is told before, by `give_reason` or `because`. Raises CannotHandOver.

    Under a role that may *assign*, and *update* the account that it deactivates.
    """
    if not origin.get().reason:
        raise CannotHandOver("Say why: what is handed over needs a reason.")
    lock(leaver, successor)
    if not successors(leaver).filter(pk=successor.pk).exists():
        raise CannotHandOver(_why_not(leaver, successor))
    moved = numbers(leaver, successor.role)
    match successor.role:
        case Role.SALES:
            moved = moved._replace(clients=clients_of(leaver).update(sales_contact=successor))
        case Role.SUPPORT:
            moved = moved._replace(coming_events=events_of(leaver).update(support_contact=successor))
    if deactivates:
        leaver.is_active = False
        leaver.save(update_fields=["is_active"])
    return moved


def lock(leaver: User, *others: User) -> None:
    """First the rows and then the accounts, in the order in which everybody else locks them. The accounts are read again.

    A caller who makes a client or an event for this person holds a share of the account until it is stored, and it goes over
    too; one who comes later waits, and finds the person still active or is refused. A successor keeps the role by which is
    decided what goes over.
    """
    for rows in (clients_of(leaver), events_of(leaver)):
        list(rows.select_for_update(no_key=True).order_by("pk").values_list("pk"))
    people = (leaver, *others)
    keys = [person.pk for person in people]
    list(User.objects.select_for_update(of=("self",), no_key=True).filter(pk__in=keys).order_by("pk").values_list("pk"))
    for person in people:
        person.refresh_from_db(fields=["is_active", "role", "is_superuser"])


def _why_not(leaver: User, successor: User) -> str:
    if successor.pk == leaver.pk:
        return "Nobody hands over to themselves: choose somebody else."
    if not successor.is_active:
        return f"{successor} isn't active: choose an active colleague."
    return f"{successor} can't look after what {leaver} does: choose a colleague of the same role."


def log_hand_over(leaver: User, successor: User, moved: HandOverCounts, request: HttpRequest | None = None) -> None:
    security_event(
        "privilege_permissions_changed",
        request,
        change="handed over",
        account=leaver.pk,
        successor=successor.pk,
        is_active=leaver.is_active,
        clients=moved.clients,
        events=moved.coming_events,
    )
