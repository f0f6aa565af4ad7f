"""The sample accounts of `access-matrix.md`."""

from typing import NamedTuple

from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction

from access.policy import Role
from access.refusals import refusal_of
from accounts.models import User
from events.demo import CannotLoad

PASSWORD = "Epic-Events-2026!"
PARTNER = "oc-partner"


class Account(NamedTuple):
    username: str
    first_name: str
    last_name: str
    role: Role


ACCOUNTS = (
    Account("oc-salesman", "Julien", "Moreau", Role.SALES),
    Account("oc-salesman2", "Nora", "Lindqvist", Role.SALES),
    Account("oc-manager", "Helen", "Fletcher", Role.MANAGEMENT),
    Account("oc-manager2", "Matteo", "Ricci", Role.MANAGEMENT),
    Account("oc-supporttech", "Karin", "Vogel", Role.SUPPORT),
    Account("oc-supporttech2", "Aurélien", "Dumas", Role.SUPPORT),
    Account("oc-auditor", "Sofia", "Papadaki", Role.AUDITOR),
    Account(PARTNER, "Claire", "Fontaine", Role.EXTERNAL),
    Account("admin-oc", "Ada", "Winter", Role.SUPERUSER),
)


class Contacts(NamedTuple):
    """Primary keys of the sample accounts for the demo's clients and events: sales users, support users, a partner.

    `partner` is None if the partner's account is linked to a client already.
    """

    sales: tuple[int, ...]
    support: tuple[int, ...]
    partner: int | None


class MadeAccounts(NamedTuple):
    """The number of accounts that were created, and a sentence for each account that PostgreSQL refused."""

    made: int
    refusals: list[str]


def make_missing_accounts() -> MadeAccounts:
    """Creates the missing sample accounts. Doesn't change existing accounts.

    If a sample account was renamed, PostgreSQL refuses a new account with its earlier username.
    """
    usernames = [account.username for account in ACCOUNTS]
    existing = set(User.objects.filter(username__in=usernames).values_list("username", flat=True))
    missing = [account for account in ACCOUNTS if account.username not in existing]
    refusals = [sentence for account in missing if (sentence := _make(account))]
    return MadeAccounts(len(missing) - len(refusals), refusals)


def _make(account: Account) -> str:
    """Creates one account. Returns the sentence of the rule that refuses the account, or "" if none does."""
    try:
        with transaction.atomic():
            _user(account).save()
    except IntegrityError as error:
        if (refusal := refusal_of(error)) is None:
            raise
        return f"{account.username} was not made. {refusal.sentence}"
    return ""


def _user(account: Account) -> User:
    is_superuser = account.role is Role.SUPERUSER
    return User(
        username=account.username,
        first_name=account.first_name,
        last_name=account.last_name,
        email=f"{account.username}@epic-events.example",
        # A demo superuser has the weakest role, that of partners.
        # So an account that loses its superuser rights doesn't keep the rights of an employee.
        role=Role.EXTERNAL if is_superuser else account.role,
        is_superuser=is_superuser,
        password=make_password(PASSWORD),
    )


def find_contacts() -> Contacts:
    usernames = [account.username for account in ACCOUNTS]
    sample = User.objects.filter(username__in=usernames).order_by("username")
    contacts = Contacts(
        sales=tuple(sample.sales_contacts().values_list("pk", flat=True)),
        support=tuple(sample.support_contacts().values_list("pk", flat=True)),
        partner=sample.filter(username=PARTNER, role=Role.EXTERNAL, linked_client=None)
        .values_list("pk", flat=True)
        .first(),
    )
    if not contacts.sales or not contacts.support:
        raise CannotLoad(
            "The sample accounts are there, but none of them is an active sales (or support) user any more."
        )
    return contacts
