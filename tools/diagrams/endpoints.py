"""Draws the table of endpoints: a row for each method of each route, a column for each role of the policy."""

from collections.abc import Iterator

import graph
from graph import cell, muted, tag, text
from routes import Group, Line, groups

from access.policy import FINER_THAN_UPDATE, MATRIX_ROLES, STATE_ACTIONS, Scope

_COLOURS = {"GET": graph.BLUE, "POST": graph.GREEN, "PUT": graph.AMBER, "PATCH": graph.AMBER, "DELETE": graph.RED}
_LEGEND = (
    (Scope.ALL, "every row"),
    (Scope.NONE, "refused"),
    (Scope.OWN, "one's own: as its contact, as the account linked to it, or as the account itself"),
)


def draw() -> str:
    roles = (cell(text(role.capitalize(), is_bold=True), align="center", width=84) for role in MATRIX_ROLES)
    columns = {"Method": 66, "Path": 0, "Action": 66}
    names = (cell(text(name, is_bold=True), width=width) for name, width in columns.items())
    rows = [tag("tr", *names, *roles), *(row for group in groups() for row in _rows(group))]
    return graph.draw("Endpoints", _about(), {"endpoints": graph.sheet(rows)})


def _about() -> Iterator[str]:
    # Some actions, such as *sign*, are checked only for some changes. The API refuses these changes with 403, not 409.
    # So the picture's sentence about 409 doesn't name such actions.
    finer = {change.action for changes in FINER_THAN_UPDATE.values() for change in changes}
    state = ", ".join(sorted(STATE_ACTIONS - finer))
    yield muted("Below /api/v1/. Drawn from the routes and the policy table by scripts/pictures.")
    legend = (_scope(scope) + cell(muted(words)) for scope, words in _LEGEND)
    yield graph.table([tag("tr", *legend)])
    yield muted("A row that somebody can't see is a 404 for them; one that they see but may not act on is a 403.")
    yield muted(
        f"{state}: actions of the policy that PostgreSQL's triggers ask about, where the state of a row forbids a "
        "change (409)."
    )


def _rows(group: Group) -> Iterator[str]:
    yield tag("tr", cell(text(group.title, is_bold=True), colspan=3 + len(MATRIX_ROLES), bgcolor=graph.BAND))
    above = ""
    for line in group.lines:
        yield from ("<hr/>", _row(line, is_muted=line.is_condition or line.path == above))
        above = line.path


def _row(line: Line, *, is_muted: bool) -> str:
    colour = graph.MUTED if is_muted else graph.INK
    cells = [
        cell(text(line.method, colour=_COLOURS[line.method], is_bold=True) if line.method else ""),
        cell(text(line.path, colour=colour, is_mono=not line.is_condition)),
    ]
    if line.scopes is None:
        words = muted("everybody, without an account")
        return tag("tr", *cells, cell(), cell(words, align="center", colspan=len(MATRIX_ROLES)))
    return tag("tr", *cells, cell(muted(line.action)), *map(_scope, line.scopes))


def _scope(scope: Scope) -> str:
    match scope:
        case Scope.ALL:
            ink, ground = graph.PAPER, graph.BLUE
        case Scope.OWN:
            ink, ground = graph.BLUE, "#ddf4ff"
        case _:
            return cell(muted("-"), align="center")
    word = cell(text(scope.value, 11, colour=ink, is_bold=True), align="center", width=40)
    pill = graph.table([tag("tr", word)], style="rounded", bgcolor=ground, cellpadding=1)
    return cell(pill, align="center")
