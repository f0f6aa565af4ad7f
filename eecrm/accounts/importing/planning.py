"""Plan of an account import: compares the list with the stored accounts, and decides which rows to write."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from django.contrib.auth.models import Group
from django.db.models import Exists, OuterRef
from django.db.models.fields.json import KT

from access.policy import Role
from accounts.importing.checking import Checked, CheckedRow
from accounts.importing.columns import ACCOUNT_FIELDS, Membership, cell_of
from accounts.models import AddressChange, ExternalIdentity, Mail, User
from accounts.models.user import UserQuerySet
from audit.models import Entry as TrailEntry
from csv_files.lists import join_names
from csv_files.problems import Problem
from csv_files.words import listed, quoted


class Wishes(NamedTuple):
    """Options that an account import has in addition to the list of accounts."""

    invites: bool = True
    notify_to: str = ""  # one email address that gets every invitation, for a rehearsal of the import
    uninvited: frozenset[int] = frozenset()  # primary keys of never used accounts that get another invitation
    actor_id: int | None = None
    # If True, the import may empty the email address of an account in use (rule `address_of_claimed`).
    takes_addresses: bool = True


class CellChange(NamedTuple):
    column: str
    before: str
    after: str


@dataclass(frozen=True)
class Stored:
    """An account as the database has it before the import."""

    pk: int
    is_superuser: bool
    is_claimed: bool
    values: dict[str, str | bool]
    groups: dict[str, int]  # maps the name of each group to the primary key of the membership
    waiting_address: str = ""  # a new email address that isn't confirmed yet
    has_identity: bool = False

    def beside(self, changes: list[CellChange]) -> tuple[CellChange, ...]:
        """Returns unchanged values that the confirmation page must show next to `changes`.

        The user has to decide on the changed and the unchanged values together (`User.decided_together`). For example,
        the page shows the account's role next to a new email address.
        """
        written = {change.column for change in changes}
        cells = {name: cell_of(value) for name, value in self.values.items()} | {
            "is_superuser": cell_of(self.is_superuser),
            "groups": join_names(self.groups),
            "identity": cell_of(self.has_identity),
        }
        names = [name for together in User.decided_together if not written.isdisjoint(together) for name in together]
        return tuple(CellChange(name, cells[name], cells[name]) for name in names if name not in written)


@dataclass(frozen=True)
class ImportStep:
    """The planned changes of one account. If `pk` is None, the step creates the account."""

    line: int
    username: str
    pk: int | None
    values: dict[str, str | bool]
    changes: tuple[CellChange, ...] = ()
    beside: tuple[CellChange, ...] = ()  # unchanged values that the page shows next to the changes (`Stored.beside`)
    joined: tuple[int, ...] = ()  # primary keys of groups that the account joins
    left: tuple[int, ...] = ()  # primary keys of memberships to delete
    is_invited: bool = False
    asks_for_address: bool = False  # the new email address is used only after its confirmation
    dropped_address: str = ""  # an earlier email address, still unconfirmed, that the new address replaces

    @property
    def shown(self) -> tuple[CellChange, ...]:
        return self.changes + self.beside

    @property
    def address_note(self) -> str:
        """A note in brackets after a new email address, such as " (once it is confirmed)".

        The note says that the new address must be confirmed, and which unconfirmed address the new address replaces.
        """
        notes = ["once it is confirmed"] if self.asks_for_address else []
        if self.dropped_address:
            notes.append(f"instead of {quoted(self.dropped_address)}, which waits to be confirmed")
        return f" ({', '.join(notes)})" if notes else ""

    @property
    def is_decisive(self) -> bool:
        """True if the import changes what this account may do, or who gets its mails (`User.decided_together`).

        The check page shows each such account, because a colleague may have changed it after the file was made.
        """
        if self.pk is None:
            return bool(self.joined) or self.values.get("role") in (Role.MANAGEMENT, Role.AUDITOR)
        return any(change.column in together for change in self.changes for together in User.decided_together)

    @property
    def changes_rights(self) -> bool:
        return any(change.column in ("role", "groups") for change in self.changes)


@dataclass
class ImportPlan:
    new: list[ImportStep] = field(default_factory=list)
    changed: list[ImportStep] = field(default_factory=list)
    unchanged: list[ImportStep] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def steps(self) -> list[ImportStep]:
        return [*self.new, *self.changed, *(step for step in self.unchanged if step.is_invited)]

    @property
    def invitations(self) -> int:
        return sum(step.is_invited for step in self.steps)


def uninvited_accounts(checked: Checked) -> frozenset[int]:
    """Returns the primary keys of the listed accounts that were never in use."""
    names = [entry.username for entry in checked.entries]
    unused = User.objects.filter(username__in=names, is_claimed=False)
    return frozenset(unused.values_list("pk", flat=True))


def lock_accounts(rows: UserQuerySet) -> None:
    """Locks these accounts until the transaction ends, in a fixed order, so that two imports can't deadlock."""
    list(rows.order_by("pk").select_for_update(no_key=True).values_list("pk"))


def plan(checked: Checked, wishes: Wishes) -> ImportPlan:
    """Compares the list with the stored accounts, and returns the plan of the import. Locks no rows."""
    stored = _stored_accounts(entry.username for entry in checked.entries)
    groups = dict(Group.objects.values_list("name", "pk"))
    pending = _accounts_with_mail(wishes.uninvited)
    former = _former_usernames({entry.username for entry in checked.entries} - stored.keys())
    result = ImportPlan()
    for entry in checked.entries:
        account = stored.get(entry.username)
        if problems := list(_problems_of_row(entry, account, groups, checked, wishes)):
            result.problems += problems
        elif entry.username in former:
            sentence = (
                f"Another account had the username {quoted(entry.username)} before: choose one that nobody has had."
            )
            result.problems.append(Problem(entry.line, sentence, checked.columns.title("username")))
        elif account is None:
            result.new.append(_plan_creation(entry, groups, wishes))
        else:
            step = _plan_update(entry, account, groups, wishes.uninvited - pending)
            (result.changed if step.changes else result.unchanged).append(step)
    return result


def _stored_accounts(usernames: Iterable[str]) -> dict[str, Stored]:
    names_in_file = list(usernames)
    rows = User.objects.filter(username__in=names_in_file).order_by("pk")
    accounts, names = dict[int, Stored](), dict[str, int]()
    has_identity = Exists(ExternalIdentity.objects.filter(user=OuterRef("pk")))
    waiting = dict(
        AddressChange.objects.open().filter(user__username__in=names_in_file).values_list("user_id", "address")
    )
    for row in rows.values("pk", "username", "is_superuser", "is_claimed", *ACCOUNT_FIELDS, bound=has_identity):
        values = {name: row[name] if isinstance(row[name], bool) else str(row[name]) for name in ACCOUNT_FIELDS}
        accounts[row["pk"]] = Stored(
            row["pk"],
            row["is_superuser"],
            row["is_claimed"],
            values,
            {},
            waiting.get(row["pk"], ""),
            has_identity=row["bound"],
        )
        names[row["username"]] = row["pk"]
    memberships = Membership.objects.filter(user__in=accounts).values_list("pk", "user_id", "group__name")
    for key, user_id, name in memberships:
        accounts[user_id].groups[name] = key
    return {name: accounts[pk] for name, pk in names.items()}


def _former_usernames(usernames: set[str]) -> frozenset[str]:
    """Returns those of the new usernames that an existing account had earlier (rule `username_was_anothers`)."""
    if not usernames:
        return frozenset()
    entries = TrailEntry.objects.filter(table_name=User._meta.db_table, new__has_key="username")
    names_by_key = dict(
        entries.annotate(name=KT("new__username")).filter(name__in=usernames).values_list("row_key", "name")
    )
    existing = User.objects.filter(pk__in=map(int, names_by_key)).values_list("pk", flat=True)
    return frozenset(names_by_key[str(pk)] for pk in existing)


def _accounts_with_mail(pks: frozenset[int]) -> frozenset[int]:
    """Returns the primary keys of the accounts to which a mail is queued and not sent yet."""
    unsent = Mail.objects.filter(user__in=pks, sent_at=None, given_up_at=None) if pks else Mail.objects.none()
    return frozenset(unsent.values_list("user_id", flat=True))


def _problems_of_row(
    entry: CheckedRow, account: Stored | None, groups: dict[str, int], checked: Checked, wishes: Wishes
) -> Iterable[Problem]:
    title = checked.columns.title
    if account and account.is_superuser:
        yield Problem(entry.line, f"{quoted(entry.username)} is a superuser, whom no file changes.", title("username"))
    if account is None and entry.values.get("is_active", True) and not entry.values.get("email"):
        sentence = f"{quoted(entry.username)} is new and active, and has no email address to be invited at."
        yield Problem(entry.line, sentence, title("email") if "email" in checked.columns.positions else "")
    if account and account.is_claimed and not wishes.takes_addresses and account.values["email"]:
        after = account.values | entry.values
        if after["is_active"] and not after["email"]:
            sentence = f"{quoted(entry.username)} is in use and keeps an address: type another one, or deactivate it."
            yield Problem(entry.line, sentence, title("email"))
    if unknown := (entry.groups or frozenset()) - groups.keys():
        sentence = f"There is no group {listed(sorted(unknown))}; the groups are {listed(sorted(groups))}."
        yield Problem(entry.line, sentence, title("groups"))
    elif account and entry.groups not in (None, account.groups.keys()) and account.pk == wishes.actor_id:
        yield Problem(entry.line, "Nobody changes their own groups.", title("groups"))


def _plan_creation(entry: CheckedRow, groups: dict[str, int], wishes: Wishes) -> ImportStep:
    joined = tuple(groups[name] for name in sorted(entry.groups or ()))
    invited = wishes.invites and bool(entry.values.get("is_active", True))
    changes = (CellChange("groups", "", join_names(entry.groups or ())),) if joined else ()
    return ImportStep(entry.line, entry.username, None, entry.values, changes, joined=joined, is_invited=invited)


def _plan_update(entry: CheckedRow, account: Stored, groups: dict[str, int], uninvited: frozenset[int]) -> ImportStep:
    changes = [
        CellChange(name, cell_of(account.values[name]), cell_of(value))
        for name, value in entry.values.items()
        if cell_of(account.values[name]) != cell_of(value)
        and not (name == "email" and _is_known_address(cell_of(value), account))
    ]
    values = account.values | {change.column: entry.values[change.column] for change in changes}
    wanted = account.groups.keys() if entry.groups is None else entry.groups
    if wanted != account.groups.keys():
        changes.append(CellChange("groups", join_names(account.groups), join_names(wanted)))
    new_address = next((change.after for change in changes if change.column == "email"), None)
    return ImportStep(
        entry.line,
        entry.username,
        account.pk,
        values,
        tuple(changes),
        account.beside(changes),
        joined=tuple(groups[name] for name in sorted(wanted - account.groups.keys())),
        left=tuple(key for name, key in account.groups.items() if name not in wanted),
        is_invited=account.pk in uninvited and bool(values["is_active"] and values["email"]),
        asks_for_address=account.is_claimed and bool(new_address),
        dropped_address=account.waiting_address if new_address is not None else "",
    )


def _is_known_address(address: str, account: Stored) -> bool:
    """Returns True if the account has this email address already, or has requested it. Ignores letter case.

    The import doesn't change such an address, because a request for it would only send another link.
    """
    present, waiting = str(account.values["email"]), account.waiting_address
    return address.lower() == present.lower() or bool(waiting) and address.lower() == waiting.lower()
