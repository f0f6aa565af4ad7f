"""Lists of accounts as text, and what came of them."""

import io
from pathlib import Path
from typing import Any

from django.core.management import call_command

from access.database import acting_as
from access.policy import Role
from accounts.columns import COLUMNS, FIELDS, Membership
from accounts.models import Mail, User

HEADER = ",".join(COLUMNS)
# A new account, as far as the columns of HEADER go.
ROW = "ada,Ada,Byron,ada@epic.example,support,Stage manager,+33612345678,,yes"


def lines(*rows: str, header: str = HEADER) -> str:
    return "\n".join([header, *rows, ""])


def stored() -> dict[str, tuple[Any, ...]]:
    """Everything that an import could touch, passwords included."""
    fields = ("id", *FIELDS, "is_superuser", "last_login", "password")
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
