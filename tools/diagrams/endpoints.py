"""Draws the table of endpoints: a line for each method of each route, a column for each role of the policy."""

import svg
from routes import Group, Line, groups

from access.policy import FINER_THAN_UPDATE, MATRIX_ROLES, STATE_ACTIONS, Scope

MARGIN, TOP, ROW, HEAD, GAP = 32, 84, 25, 32, 14
PATH_SIZE, METHOD_WIDTH, ACTION_WIDTH, ROLE_WIDTH = 12, 66, 74, 92
_METHOD_COLOURS = {"GET": svg.BLUE, "POST": svg.GREEN, "PUT": svg.AMBER, "PATCH": svg.AMBER, "DELETE": svg.RED}
_LEGEND = (
    (Scope.ALL, "every row"),
    (Scope.NONE, "refused"),
    (Scope.OWN, "one's own: as its contact, as the account linked to it, or as the account itself"),
)


class Table:
    """The positions of the columns, and the drawing of head, groups and lines."""

    def __init__(self, shown: list[Group]) -> None:
        paths = [line.path for group in shown for line in group.lines]
        self.path = MARGIN + 12 + METHOD_WIDTH
        self.action = self.path + max(svg.mono_width(path, PATH_SIZE) for path in paths) + 20
        self.roles = [self.action + ACTION_WIDTH + ROLE_WIDTH * (place + 0.5) for place in range(len(MATRIX_ROLES))]
        self.right = self.roles[-1] + ROLE_WIDTH / 2 + 8

    def head(self, y: float) -> list[str]:
        names = [("Method", MARGIN + 12), ("Path", self.path), ("Action", self.action)]
        left = [svg.text(x, y, name, size=11.5, fill=svg.MUTED, weight=600) for name, x in names]
        return left + [
            svg.text(x, y, role.value.capitalize(), size=11.5, fill=svg.MUTED, weight=600, anchor="middle")
            for role, x in zip(MATRIX_ROLES, self.roles, strict=True)
        ]

    def group(self, group: Group, y: float) -> list[str]:
        width, body = self.right - MARGIN, len(group.lines) * ROW
        parts = [
            svg.rect(MARGIN, y, width, HEAD + body, fill=svg.PAPER, stroke=svg.EDGE, radius=6),
            svg.rect(MARGIN + 0.5, y + 0.5, width - 1, HEAD - 0.5, fill=svg.BAND, radius=6),
            svg.rect(MARGIN + 0.5, y + HEAD - 8, width - 1, 8, fill=svg.BAND),
            svg.text(MARGIN + 12, y + HEAD / 2, group.title, size=12.5, weight=600),
        ]
        for place, line in enumerate(group.lines):
            top = y + HEAD + place * ROW
            parts.append(svg.line((MARGIN, top), (self.right, top), stroke=svg.EDGE if place == 0 else svg.BAND))
            is_repeated = place > 0 and group.lines[place - 1].path == line.path
            parts += self._line(line, top + ROW / 2, is_path_muted=is_repeated or line.is_condition)
        return parts

    def _line(self, line: Line, y: float, *, is_path_muted: bool) -> list[str]:
        colour = svg.MUTED if is_path_muted else svg.INK
        parts = [svg.text(self.path, y, line.path, size=PATH_SIZE, mono=not line.is_condition, fill=colour)]
        if line.method:
            colour = _METHOD_COLOURS[line.method]
            parts.insert(0, svg.text(MARGIN + 12, y, line.method, size=11.5, fill=colour, weight=700))
        if line.scopes is None:
            middle = (self.roles[0] + self.roles[-1]) / 2
            return [
                *parts,
                svg.text(middle, y, "everybody, without an account", size=12, fill=svg.MUTED, anchor="middle"),
            ]
        parts.append(svg.text(self.action, y, line.action, size=12, fill=svg.MUTED))
        return parts + [_scope(scope, x, y) for scope, x in zip(line.scopes, self.roles, strict=True)]


def _scope(scope: Scope, x: float, y: float) -> str:
    match scope:
        case Scope.ALL:
            return svg.pill(x, y, 44, scope.value, fill=svg.BLUE, ink=svg.PAPER)
        case Scope.OWN:
            return svg.pill(x, y, 44, scope.value, fill="#ddf4ff", ink=svg.BLUE, stroke="#54aeff")
    return svg.line((x - 5, y), (x + 5, y), stroke=svg.FAINT, width=1.5)


def _legend(x: float, y: float) -> list[str]:
    parts: list[str] = []
    for scope, words in _LEGEND:
        parts += [_scope(scope, x + 22, y), svg.text(x + 52, y, words, size=12, fill=svg.MUTED)]
        x += 52 + len(words) * 6 + 20
    return parts


def _notes(x: float, y: float) -> list[str]:
    finer = {change.action for changes in FINER_THAN_UPDATE.values() for change in changes}  # Refused with 403.
    state = ", ".join(sorted(STATE_ACTIONS - finer))
    words = (
        "A row that somebody can't see is a 404 for them; one that they see but may not act on is a 403.",
        f"{state}: actions of the policy that PostgreSQL's triggers ask about, where the state of a row forbids a "
        "change (409).",
    )
    return [svg.text(x, y + 20 * place, text, size=12, fill=svg.MUTED) for place, text in enumerate(words)]


def draw() -> str:
    shown = groups()
    table = Table(shown)
    parts = svg.heading(
        MARGIN, 34, "Endpoints", "Below /api/v1/. Drawn from the routes and the policy table by scripts/pictures."
    )
    parts += _legend(MARGIN, TOP)
    y = TOP + 26
    parts += table.head(y + 8)
    y += 26
    for group in shown:
        parts += table.group(group, y)
        y += HEAD + len(group.lines) * ROW + GAP
    parts += _notes(MARGIN, y + 8)
    count = sum(not line.is_condition for group in shown for line in group.lines)
    description = f"{count} endpoints and the scope of each role in them: " + ", ".join(
        role.value for role in MATRIX_ROLES
    )
    return svg.document(
        table.right + MARGIN, y + 54, title="Endpoints of Epic Events CRM", description=description, parts=parts
    )
