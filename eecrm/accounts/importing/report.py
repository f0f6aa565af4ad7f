"""Reports of an account import: sentences for the user, and events of the security log."""

from collections.abc import Iterator

from django.http import HttpRequest

from access.confirmation import Line
from access.security_log import security_event
from accounts.importing.planning import ImportPlan, ImportStep
from csv_files.words import counted, examples, quoted


def counts(planned: ImportPlan) -> str:
    """Returns one line with the numbers of created, changed, unchanged and invited accounts, without any username."""
    return (
        f"{counted(len(planned.new), 'account')} created, {len(planned.changed):,} changed,"
        f" {len(planned.unchanged):,} unchanged, {counted(planned.invitations, 'invitation')} queued."
    )


def account_import_summary(planned: ImportPlan, *, notify_to: str, is_dry_run: bool) -> Iterator[str]:
    yield counts(planned)
    yield from examples([f"line {step.line}: {step.username} is new" for step in planned.new])
    yield from examples([f"line {step.line}: {step.username}: {changes_of(step)}" for step in planned.changed])
    if notify_to and planned.invitations:
        yield f"Every invitation goes to {notify_to}."
    if is_dry_run:
        yield "This was a dry run: nothing was changed."


def changes_of(step: ImportStep) -> str:
    return ", ".join(
        f"{column} {quoted(before)} → {quoted(after)}{step.address_note if column == 'email' else ''}"
        for column, before, after in step.changes
    )


def lines_of(planned: ImportPlan) -> Iterator[Line]:
    """Yields the lines of the page on which the user confirms the import.

    A line shows the changes of one account. If the change of a value makes sense only together with another value,
    the line also shows the other value, although it stays the same (`Stored.beside`).
    """
    for step in planned.steps:
        invited = ", invited" if step.is_invited else ""
        if step.pk is None:
            yield Line(step.username, f"new{invited}", repr((sorted(step.values.items()), step.joined)))
        else:
            stays = "".join(f", {one.column} stays {quoted(one.before)}" for one in step.beside)
            yield Line(
                step.username,
                f"{changes_of(step) or 'unchanged'}{stays}{invited}",
                repr((step.shown, step.dropped_address)),
            )


def log_import(planned: ImportPlan, request: HttpRequest | None = None) -> None:
    """Logs an import as events of the OWASP Logging Vocabulary. The events have numbers of accounts, and no names."""
    counts_by_event = {
        "user_created": len(planned.new),
        "user_updated": len(planned.changed),
        "privilege_permissions_changed": sum(step.changes_rights for step in planned.changed),
        "authn_link_queued": planned.invitations,
    }
    for name, count in counts_by_event.items():
        if count:
            security_event(name, request, count=count, by="import")
