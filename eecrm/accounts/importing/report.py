"""What became of a list of accounts: for the person who imported it, and for whoever watches over the product."""

from collections.abc import Iterator

from django.http import HttpRequest

from access.confirmation import Line
from access.security_log import security_event
from accounts.importing.planning import Plan, Step
from api.tables.words import counted, examples, quoted


def counts(planned: Plan) -> str:
    """One line without anybody's name."""
    return (
        f"{counted(len(planned.new), 'account')} created, {len(planned.changed):,} changed,"
        f" {len(planned.unchanged):,} unchanged, {counted(planned.invitations, 'invitation')} queued."
    )


def summary(planned: Plan, *, notify_to: str, is_dry_run: bool) -> Iterator[str]:
    yield counts(planned)
    yield from examples([f"line {step.line}: {step.username} is new" for step in planned.new])
    yield from examples([f"line {step.line}: {step.username}: {changes_of(step)}" for step in planned.changed])
    if notify_to and planned.invitations:
        yield f"Every invitation goes to {notify_to}."
    if is_dry_run:
        yield "This was a dry run: nothing was changed."


def changes_of(step: Step) -> str:
    return ", ".join(
        f"{column} {quoted(before)} → {quoted(after)}"
        + (" (once it is confirmed)" if column == "email" and step.asks_for_address else "")
        for column, before, after in step.changes
    )


def lines_of(planned: Plan) -> Iterator[Line]:
    """For the page that is confirmed. Of an account's other columns those count that are decided together with what changes; the
    list leaves them as they are."""
    for step in planned.steps:
        invited = ", invited" if step.is_invited else ""
        if step.pk is None:
            yield Line(step.username, f"new{invited}", repr((sorted(step.values.items()), step.joined)))
        else:
            stays = "".join(f", {one.column} stays {quoted(one.before)}" for one in step.beside)
            yield Line(step.username, f"{changes_of(step) or 'unchanged'}{stays}{invited}", repr(step.shown))


def tell_security(planned: Plan, request: HttpRequest | None = None) -> None:
    """The events of the OWASP Logging Vocabulary, with counts alone."""
    told = {
        "user_created": len(planned.new),
        "user_updated": len(planned.changed),
        "privilege_permissions_changed": sum(step.changes_rights for step in planned.changed),
    }
    for name, count in told.items():
        if count:
            security_event(name, request, count=count, by="import")
