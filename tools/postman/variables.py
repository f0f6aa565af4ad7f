"""Variables that a request sets for later requests of its folder, such as the id of a new row.

The Python code of a folder names a variable `{{client_id}}`, for example. The written collection puts the folder's name
before it (`{{sales_client_id}}`), so that folders don't share variables.
"""

import json
import re
from collections.abc import Mapping

# Maps a role to the username of its demo account. The environment of scripts/run uses these accounts.
ACCOUNTS = {
    "sales": "oc-salesman",
    "support": "oc-supporttech",
    "management": "oc-manager",
    "auditor": "oc-auditor",
    "partner": "oc-partner",
}
ENVIRONMENT = {"base_url", *(f"{role}_{part}" for role in ACCOUNTS for part in ("username", "password"))}
_VARIABLE = re.compile(r"\{\{(\w+)\}\}")


class Variables:
    """The variables of a folder. `makers` maps a variable to the name of the request that sets it."""

    def __init__(self, prefix: str, makers: Mapping[str, str]) -> None:
        self.prefix, self._makers = prefix, makers

    def name(self, variable: str) -> str:
        return f"{self.prefix}_{variable}"

    def names(self) -> list[str]:
        return [self.name(variable) for variable in self._makers]

    def makers(self) -> dict[str, str]:
        return {self.name(variable): maker for variable, maker in self._makers.items()}

    def needed_by(self, text: str) -> list[str]:
        """Returns the names of the folder's variables that occur in the text, in their order.

        Raises ValueError if the text contains a variable that neither the folder nor the environment has.
        """
        found = dict.fromkeys(_VARIABLE.findall(text))
        if unknown := found.keys() - self._makers.keys() - ENVIRONMENT:
            raise ValueError(f"No request keeps the variables {', '.join(sorted(unknown))}.")
        return [self.name(variable) for variable in found if variable in self._makers]

    def in_text(self, text: str) -> str:
        return _VARIABLE.sub(lambda match: f"{{{{{self._named(match)}}}}}", text)

    def in_script(self, code: str) -> str:
        """Returns the code with each variable of the folder replaced by an expression that reads this variable."""
        return _VARIABLE.sub(lambda match: self._value(match) if match[1] in self._makers else match[0], code)

    def keep(self, values: Mapping[str, str]) -> str:
        """Returns JavaScript that sets variables after a success.

        The values may use `answer`, the body of the answer.
        """
        lines = [f'    {self._set(variable)}, {value} ?? "");' for variable, value in values.items()]
        return "\n".join(["if (pm.response.code < 300) {", "    const answer = pm.response.json();", *lines, "}"])

    def forget(self, variable: str) -> str:
        """Returns JavaScript that empties a variable after a successful DELETE, because the row was deleted."""
        return f'if (pm.response.code < 300) {self._set(variable)}, "");'

    def _named(self, match: re.Match[str]) -> str:
        return self.name(match[1]) if match[1] in self._makers else match[1]

    def _value(self, match: re.Match[str]) -> str:
        return f"pm.collectionVariables.get({json.dumps(self.name(match[1]))})"

    def _set(self, variable: str) -> str:
        return f"pm.collectionVariables.set({json.dumps(self.name(variable))}"
