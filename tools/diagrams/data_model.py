"""Draws the data model: a box for each model, and a line from each foreign key to its target."""

import textwrap
from dataclasses import dataclass

import svg
from entities import Column, Entity, Relation, describe, own_models

# Model -> column and row of its box. Lines are drawn for this layout: foreign keys lead to the left, or up.
# Models without an entry are drawn in a column at the right.
PLACES = {
    "User": (0, 0), "TokenSession": (0, 1), "ExternalIdentity": (0, 2), "Alert": (0, 3), "Mail": (0, 4),
    "AddressChange": (0, 5), "Client": (1, 0), "Event": (1, 1), "Cover": (1, 2), "KnownPlace": (1, 3), "Export": (1, 4),
    "LinkRequest": (1, 5), "Contract": (2, 0), "Entry": (2, 2),
}  # fmt: skip

MARGIN, TOP, WIDTH, GAP_X, GAP_Y = 48, 92, 288, 92, 44
HEAD, ROW, NOTE, PAD = 56, 23, 17, 8
SLOT, LANE = 14, 13  # Distance between lines that end at one box, and between parallel lines.
_KEY_COLOURS = {"PK": svg.AMBER, "FK": svg.BLUE, "UQ": svg.GREEN}


@dataclass(frozen=True)
class Box:
    entity: Entity
    x: float
    y: float

    @property
    def notes(self) -> list[str]:
        """The choices of each column that has choices, in lines."""
        choices = [f"{column.name}: {', '.join(column.choices)}" for column in self.entity.columns if column.choices]
        return [part for text in choices for part in textwrap.wrap(text, 46, subsequent_indent="   ")]

    @property
    def height(self) -> float:
        notes = len(self.notes) * NOTE + 2 * PAD if self.notes else 0
        return HEAD + len(self.entity.columns) * ROW + PAD + notes

    @property
    def right(self) -> float:
        return self.x + WIDTH

    @property
    def bottom(self) -> float:
        return self.y + self.height

    def row_middle(self, column: str) -> float:
        return self.y + HEAD + PAD / 2 + (self.entity.row_of(column) + 0.5) * ROW

    def draw(self) -> list[str]:
        head = self.y + HEAD
        # A rectangle covers the lower corners of the title band, because only its upper corners are round.
        parts = [
            svg.rect(self.x, self.y, WIDTH, self.height, fill=svg.PAPER, stroke=svg.EDGE, radius=6),
            svg.rect(self.x + 0.5, self.y + 0.5, WIDTH - 1, HEAD - 0.5, fill=svg.BAND, radius=6),
            svg.rect(self.x + 0.5, head - 8, WIDTH - 1, 8, fill=svg.BAND),
            svg.line((self.x, head), (self.right, head)),
            svg.text(self.x + 14, self.y + 21, self.entity.name, size=15, weight=600),
            svg.text(self.x + 14, self.y + 40, self.entity.table, size=11, fill=svg.MUTED, mono=True),
        ]
        for column in self.entity.columns:
            parts += self._row(column)
        if self.notes:
            edge = self.bottom - len(self.notes) * NOTE - 2 * PAD
            parts.append(svg.line((self.x, edge), (self.right, edge)))
        for place, note in enumerate(self.notes):
            y = self.bottom - PAD - (len(self.notes) - place - 0.5) * NOTE
            parts.append(svg.text(self.x + 14, y, note, size=10.5, fill=svg.MUTED))
        return parts

    def _row(self, column: Column) -> list[str]:
        y = self.row_middle(column.name)
        keys = [
            svg.text(self.x + 14 + 18 * place, y, key, size=9.5, fill=_KEY_COLOURS[key], weight=700)
            for place, key in enumerate(column.keys)
        ]
        type_ = column.type + (", null" if column.is_null else "")
        return [
            *keys,
            svg.text(self.x + 56, y, column.name, size=12, mono=True, weight=600 if "PK" in column.keys else None),
            svg.text(
                self.right - 14, y, type_, size=11, fill=svg.BLUE if "FK" in column.keys else svg.MUTED, anchor="end"
            ),
        ]


def _boxes() -> dict[str, Box]:
    entities = {model.__name__: describe(model) for model in own_models()}
    if gone := PLACES.keys() - entities.keys():
        raise SystemExit(f"Take {', '.join(sorted(gone))} out of {__file__}: there is no such model.")
    column = 1 + max(column for column, _ in PLACES.values())
    places = PLACES | {name: (column, row) for row, name in enumerate(sorted(entities.keys() - PLACES.keys()))}
    tops = [TOP]
    for row in range(max(row for _, row in places.values())):
        heights = [Box(entities[name], 0, 0).height for name, place in places.items() if place[1] == row]
        tops.append(tops[-1] + max(heights) + GAP_Y)
    return {
        name: Box(entities[name], MARGIN + column * (WIDTH + GAP_X), tops[row])
        for name, (column, row) in places.items()
    }


def _end_many(x: float, y: float, way: int, relation: Relation) -> list[str]:
    """The mark at the foreign key: a crow's foot for any number of rows, a bar for at most one."""
    foot = svg.line((x, y - 6), (x + way * 10, y), (x, y + 6), stroke=svg.BLUE, width=1.5)
    bar = svg.line((x + way * 7, y - 5), (x + way * 7, y + 5), stroke=svg.BLUE, width=1.5)
    return [bar if relation.is_unique else foot, svg.circle(x + way * 14, y, 3.5, fill=svg.GROUND, stroke=svg.BLUE)]


def _end_one(x: float, y: float, way: tuple[int, int], relation: Relation) -> list[str]:
    """The mark at the target: two bars for exactly one row, a bar and a ring for one or none."""
    across = (way[1] * 5, way[0] * 5)

    def bar(distance: float) -> str:
        at = (x + way[0] * distance, y + way[1] * distance)
        ends = (at[0] - across[0], at[1] - across[1]), (at[0] + across[0], at[1] + across[1])
        return svg.line(*ends, stroke=svg.BLUE, width=1.5)

    ring = svg.circle(x + way[0] * 14, y + way[1] * 14, 3.5, fill=svg.GROUND, stroke=svg.BLUE)
    return [bar(7), ring if relation.is_null else bar(12)]


def _connect(source: Box, target: Box, relation: Relation, place: int, of: int) -> list[str]:
    """Draws line number `place` of `of` lines that end at one side of the target.

    Lines that start further down run nearer to the target.
    """
    y = source.row_middle(relation.column)
    if source.x == target.x:
        lane, end_y = source.x - MARGIN / 2, target.y + HEAD / 2
        points = [(source.x, y), (lane, y), (lane, end_y), (target.x, end_y)]
        ends = _end_many(source.x, y, -1, relation) + _end_one(target.x, end_y, (-1, 0), relation)
    elif source.x > target.x:
        lane = target.right + GAP_X / 2 + LANE * ((of - 1) / 2 - place)
        end_y = target.y + HEAD + SLOT * (place - (of - 1) / 2)
        points = [(source.x, y), (lane, y), (lane, end_y), (target.right, end_y)]
        ends = _end_many(source.x, y, -1, relation) + _end_one(target.right, end_y, (1, 0), relation)
    else:
        end_x = target.x + WIDTH / 2
        points = [(source.right, y), (end_x, y), (end_x, target.bottom)]
        ends = _end_many(source.right, y, 1, relation) + _end_one(end_x, target.bottom, (0, 1), relation)
    return [svg.line(*points, stroke=svg.BLUE, width=1.5), *ends]


def _lines(boxes: dict[str, Box]) -> list[str]:
    parts: list[str] = []
    for target in boxes.values():
        arriving = [
            (boxes[name], relation) for name in boxes for relation in boxes[name].entity.relations
            if relation.target == target.entity.name
        ]  # fmt: skip
        from_right = [pair for pair in arriving if pair[0].x > target.x]
        from_right.sort(key=lambda pair: pair[0].row_middle(pair[1].column))
        for place, (source, relation) in enumerate(from_right):
            parts += _connect(source, target, relation, place, len(from_right))
        for source, relation in arriving:
            if source.x <= target.x:
                parts += _connect(source, target, relation, 0, 1)
    return parts


def _legend(x: float, y: float) -> list[str]:
    def end(row: int, words: str, mark: list[str]) -> list[str]:
        middle = y + 32 + row * 24
        shaft = svg.line((x, middle), (x + 34, middle), stroke=svg.BLUE, width=1.5)
        return [shaft, *mark, svg.text(x + 46, middle, words, size=12, fill=svg.MUTED)]

    plain, perhaps = (
        Relation("", "", "", is_unique=False, is_null=False),
        Relation("", "", "", is_unique=True, is_null=True),
    )
    return [
        svg.text(x, y, "Ends of a line", size=12.5, weight=600),
        *end(0, "any number", _end_many(x, y + 32, 1, plain)),
        *end(1, "one or none", _end_one(x, y + 56, (1, 0), perhaps)),
        *end(2, "exactly one", _end_one(x, y + 80, (1, 0), plain)),
        svg.text(x, y + 114, "PK primary key · FK foreign key · UQ unique", size=12, fill=svg.MUTED),
        svg.text(x, y + 136, "computed: generated and stored by PostgreSQL", size=12, fill=svg.MUTED),
    ]


def draw() -> str:
    boxes = _boxes()
    bottom = max(box.bottom for box in boxes.values())
    contract = boxes["Contract"]
    parts = svg.heading(
        MARGIN, 36, "Data model", "Drawn from the models by scripts/pictures; Django's own tables are left out."
    )
    parts += [part for box in boxes.values() for part in box.draw()]
    parts += _lines(boxes)
    parts += _legend(contract.x, bottom - 144)
    description = "; ".join(
        f"{relation.source}.{relation.column} names {'at most one' if relation.is_null else 'one'} {relation.target}"
        for box in boxes.values() for relation in box.entity.relations
    )  # fmt: skip
    width = max(box.right for box in boxes.values()) + MARGIN
    return svg.document(width, bottom + 32, title="Data model of Epic Events CRM", description=description, parts=parts)
