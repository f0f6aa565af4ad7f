"""Rules of state, said once more so that they can be told before anybody tries.

PostgreSQL's triggers decide, and nothing is refused here. To ask them would be to write: each try takes locks, waits for
others, uses up numbers of sequences, and would have to be done in somebody else's name. A test puts what is said
here to the server, for each actor, row and action, and the names and sentences to the triggers' own.
"""

from typing import NamedTuple

from access import reasons


class StateRule(NamedTuple):
    """While a row has this `status`, the action on it is refused with 409; not to whom the policy lets do `unless` as well."""

    action: str
    status: str
    name: str
    sentence: str
    unless: str = ""
    # Nobody is refused: the server accepts it and changes nothing, for there is nothing to do.
    is_moot: bool = False

    @property
    def demands_reason(self) -> bool:
        return self.name.endswith(reasons.DEMANDED)
