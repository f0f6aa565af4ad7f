"""Draws the data model: a table for each model, and a line from each foreign key to the model that it refers to."""

import textwrap
from collections.abc import Iterator

import graph
from django.conf import settings
from entities import Column, Entity, describe, own_models
from graph import Edge, cell, muted, tag, text

_KEY_COLOURS = {"PK": graph.AMBER, "FK": graph.BLUE, "UQ": graph.GREEN}
_ABOUT = (
    "Drawn from the models by scripts/pictures; Django's own tables are left out.",
    "Ends of a line: a crow's foot for any number, a bar and a ring for one or none, two bars for exactly one.",
    "PK primary key, FK foreign key, UQ unique, computed: generated and stored by PostgreSQL.",
)


def draw() -> str:
    # The models of the API's resources come first, at the top of the picture.
    resources = {path.partition(".")[0] for path in settings.RESOURCES.values()}
    models = sorted(own_models(), key=lambda model: model._meta.app_label not in resources)
    entities = [describe(model) for model in models]
    nodes = {entity.name: _table(entity) for entity in entities}
    return graph.draw("Data model", map(muted, _ABOUT), nodes, _edges(entities))


def _table(entity: Entity) -> str:
    name = text(entity.name, 15, is_bold=True) + "<br/>" + text(entity.table, 11, colour=graph.MUTED, is_mono=True)
    rows = [tag("tr", cell(name, colspan=3, bgcolor=graph.BAND, cellpadding=8)), *map(_row, entity.columns)]
    choices = [f"{column.name}: {', '.join(column.choices)}" for column in entity.columns if column.choices]
    notes = [part for words in choices for part in textwrap.wrap(words, 46, subsequent_indent="   ")]
    if notes:
        lines = "<br/>".join(muted(note, 11) for note in notes)
        rows += ["<hr/>", tag("tr", cell(lines, colspan=3, cellpadding=8))]
    return graph.sheet(rows)


def _row(column: Column) -> str:
    keys = " ".join(text(key, 10, colour=_KEY_COLOURS[key], is_bold=True) for key in column.keys)
    words = column.type + (", null" if column.is_null else "")
    return tag(
        "tr",
        cell(keys, port=column.name),
        cell(text(column.name, is_mono=True, is_bold="PK" in column.keys)),
        cell(text(words, 11, colour=graph.BLUE if "FK" in column.keys else graph.MUTED), align="right"),
    )


def _edges(entities: list[Entity]) -> Iterator[Edge]:
    relations = [relation for entity in entities for relation in entity.relations]
    for relation in relations:
        head, tail = ("teeodot" if relation.is_unique else "crowodot"), ("teeodot" if relation.is_null else "teetee")
        yield Edge(relation.target, f"{relation.source}:{relation.column}:w", f"arrowhead={head} arrowtail={tail}")
    # An invisible line moves a model without relations out of the first column, where it would make the picture longer.
    related = {name for relation in relations for name in (relation.source, relation.target)}
    for entity in entities:
        if entity.name not in related:
            yield Edge(relations[0].target, entity.name, "style=invis minlen=2 weight=0")
