"""How the rows of a resource are read: in one statement, compiled once for all who look at them in the same way."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from access.statements import Anybody, Slot, Statement
from api.pagination import MOST_TERMS, Place

if TYPE_CHECKING:
    from api.views import ResourceViewSet

_ROOT, _KEY = Slot("root"), Slot("pk")
_AFTER = tuple(Slot(f"after{number}") for number in range(MOST_TERMS))


class Look(NamedTuple):
    """What shapes a statement about rows of a resource: who looks with which action of the policy (None at a row that was
    checked already), below which parents, and whether personal data is masked."""

    viewset: "type[ResourceViewSet]"
    who: Anybody | None
    action: str
    steps: tuple[str, ...]
    is_masked: bool

    def rows(self) -> Any:
        if self.who is None:
            return self.viewset.queryset.all()
        return self.viewset.rows(self.who, self.action, {keyword: Slot(keyword) for keyword in self.steps})

    def row(self) -> Any:
        return self.viewset.serializer_class.row(_ROOT, masked=self.is_masked)


@lru_cache(maxsize=1_000)
def page_statement(look: Look, place: Place) -> Statement:
    """Rows, rendered; then what they are ordered by."""
    return Statement.of(place.of(look.rows(), _AFTER[: len(place.order)], look.row()))


@lru_cache(maxsize=1_000)
def item_statement(look: Look) -> Statement:
    """One row, rendered, and its version."""
    return Statement.of(look.rows().filter(pk=_KEY).order_by().values_list(look.row(), "version")[:1])


def after(values: tuple[Any, ...]) -> dict[str, Any]:
    """The values that a page begins beyond, by their slots."""
    return {slot.value: value for slot, value in zip(_AFTER, values)}  # noqa: B905  # as many slots as there could be values
