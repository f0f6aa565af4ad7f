"""Hand-over: the clients or events of a user who leaves or moves go to a successor.

A sales user hands over clients; their contracts and events follow.
A support user hands over the events that aren't closed.
The contacts in the rows decide what is handed over, not the user's current role.
So a user who has moved to another role can still hand over the rows of the old one.
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

# A hand-over needs these cells (resource, action) of the policy table.
# A hand-over that deactivates the account also needs *update* of accounts.
CELLS = (("client", "assign"), ("event", "assign"))


class CannotHandOver(Exception):
    """Raised if a hand-over is refused. The message is a sentence for users."""


class HandOverCounts(NamedTuple):
    clients: int
    unsigned_contracts: int
    coming_events: int

    def __str__(self) -> str:
        return (
            f"{_counted(self.clients, 'client')}, {_counted(self.unsigned_contracts, 'unsigned contract')} "
            f"and {_counted(self.coming_events, 'coming event')}"
        )


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def clients_of(leaver: User) -> QuerySet[Client]:
    return Client.objects.filter(sales_contact=leaver)


def events_of(leaver: User) -> QuerySet[Event]:
    """Returns the events of the support contact `leaver` that aren't closed."""
    return Event.objects.filter(support_contact=leaver).exclude(status=Event.Status.CLOSED)


def numbers(leaver: User, role: str) -> HandOverCounts:
    """Returns the numbers of clients, contracts and events that would go to a successor with this role.

    For a sales user, counts the clients, their draft contracts and their open events. For a support user, counts the
    open events.
    """
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
    """Returns the possible successors: active users with a suitable role, which is sales or support.

    A role is suitable if the leaver has this role, or if the leaver's present rows need it: sales for clients, support
    for open events.
    """
    roles = {leaver.role} & {Role.SALES, Role.SUPPORT}
    roles |= {Role.SALES} if clients_of(leaver).exists() else set()
    roles |= {Role.SUPPORT} if events_of(leaver).exists() else set()
    people = User.objects.active().filter(role__in=roles, is_superuser=False).exclude(pk=leaver.pk)
    return people.only(*PUBLIC_FIELDS, "date_joined").order_by("display_name", "pk")


def hand_over(leaver: User, successor: User, *, deactivates: bool) -> HandOverCounts:
    """Hands the leaver's clients or events over to the successor. Returns the numbers of rows.

    Raises CannotHandOver if no reason is set or the successor isn't eligible. The caller sets the reason first, with
    `give_reason` or `because`. The current PostgreSQL role needs *assign*. If `deactivates` is True, it also needs
    *update* of accounts.
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
    """Locks the leaver's rows, and then the accounts. Reads the accounts again, because they may have changed.

    All other code locks in the same order, so that no two transactions deadlock.

    A request that adds a client or an event for the leaver holds a share lock on the leaver's account until its commit.
    This function waits for the commit, so the hand-over includes the new row. A later request waits for the hand-over,
    and is refused if the leaver has become inactive.

    The lock on the successor's account keeps the successor's role from changing. The role decides which rows are handed
    over.
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
