"""Lists of accounts as text, and what came of them."""

import io
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core import mail as django_mail
from django.core.mail import EmailMessage
from django.core.management import call_command

from access.database import acting_as, acting_as_login_role, leave
from access.policy import Role
from accounts.importing.columns import ACCOUNT_COLUMNS, ACCOUNT_FIELDS, Membership
from accounts.models import AddressChange, Mail, User
from accounts.outbox.delivery import deliver
from api.tests.test_at_once import alone

HEADER = ",".join(ACCOUNT_COLUMNS)
# A new account, as far as the columns of HEADER go.
ROW = "ada,Ada,Byron,ada@epic.example,support,Stage manager,+33612345678,,yes"


def lines(*rows: str, header: str = HEADER) -> str:
    return "\n".join([header, *rows, ""])


def stored() -> dict[str, tuple[Any, ...]]:
    """Everything that an import could touch, passwords included."""
    fields = ("id", *ACCOUNT_FIELDS, "is_superuser", "last_login", "password")
    passwords = dict(User.objects.values_list("pk", "password"))  # the login role's to read
    with acting_as(Role.SUPERUSER):
        groups: dict[int, set[str]] = {}
        for user_id, name in Membership.objects.values_list("user_id", "group__name"):
            groups.setdefault(user_id, set()).add(name)
        rows = User.objects.values("username", *fields[:-1])
        return {
            row.pop("username"): (*row.values(), passwords[row["id"]], groups.get(row["id"], set()))
            for row in list(rows)
        }


def move(username: str, address: str) -> None:
    """The account gets another address, asked for and confirmed by its owner."""
    user = User.objects.get(username=username)
    with acting_as_login_role():
        leave(user_id=user.pk)
        change = AddressChange.objects.create(user=user, address=address)
        assert change.confirm()


def newcomer(username: str = "newcomer", **fields: Any) -> User:
    """An account that nobody has ever logged in to."""
    with acting_as(Role.SUPERUSER):
        return User.objects.create_user(username, **{"email": f"{username}@epic.example", "role": Role.SALES} | fields)


def account(username: str) -> User:
    with acting_as(Role.SUPERUSER):
        user: User = User.objects.get(username=username)
        user.group_names  # noqa: B018  # read while the role is entered
        return user


def mails() -> list[tuple[str, str, str]]:
    with acting_as(Role.SUPERUSER):
        return list(Mail.objects.order_by("pk").values_list("kind", "user__username", "address"))


def run_import(path: Path, content: str | bytes, *options: str) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    output = io.StringIO()
    call_command("import_users", str(path), "--verbosity=0", *options, stdout=output)
    return output.getvalue()


def sent() -> list[EmailMessage]:
    """The mails that go out now, what is due later left alone."""
    django_mail.outbox.clear()
    while deliver(timedelta(minutes=1)):
        pass
    return list(django_mail.outbox)


def link_to(address: str, messages: list[EmailMessage]) -> str:
    """The path of the link in the mail to this address."""
    (message,) = [one for one in messages if one.to == [address]]
    return re.findall(r"http://127\.0\.0\.1:8000(/account/\S+)", str(message.body))[0]


@contextmanager
def left_open(by: User, write: Callable[[], object]) -> Iterator[None]:
    """A transaction of another connection that has written, and commits at the end of the block."""
    has_written, may_end = threading.Event(), threading.Event()

    def run() -> None:
        with acting_as(Role(by.role), user_id=by.pk):
            write()
            has_written.set()
            may_end.wait(30)

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(alone(run))
        try:
            assert has_written.wait(30)
            yield
        finally:
            may_end.set()
        other.result(timeout=30)
