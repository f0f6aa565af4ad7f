"""The one definition of a mask: it hides personal data in the API, in the admin site, on the trail and in reports alike.

A model names its `personal_fields`, each with its mask. Python masks what was read before, SQL what is read now; both come
from the same pattern, which is written in the part of regular expressions that Python and PostgreSQL share.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from django.db.models import Model

HIDDEN = "***"


class Mask(NamedTuple):
    """`shown` stands for a text that is `pattern` from its beginning to its end. Any other text is hidden whole."""

    pattern: str
    shown: str

    def of(self, value: object) -> object:
        """The value as someone sees it who may not see personal data. What is empty stays so."""
        if value is None or value == "":
            return value
        fits = re.fullmatch(self.pattern, value) if isinstance(value, str) else None
        return fits.expand(self.shown) if fits else HIDDEN

    def sql(self, column: str) -> str:
        """The same in SQL, without a percent sign or a brace, which templates would take for their own."""
        whole = f"'^(?:{self.pattern})$'"
        shown = (
            f"CASE WHEN {column} ~ {whole} THEN regexp_replace({column}, {whole}, '{self.shown}') ELSE '{HIDDEN}' END"
        )
        return f"CASE WHEN {column} <> '' THEN {shown} ELSE {column} END"


# No length, no name and no company: `j***@***.com`, `***45`. Only plain addresses of the usual form and numbers of E.164 fit.
EMAIL = Mask(
    r"([A-Za-z0-9_])[A-Za-z0-9_+-]*(?:\.[A-Za-z0-9_+-]+)*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*(\.[A-Za-z][A-Za-z]+)",
    r"\1***@***\2",
)
PHONE = Mask(r"\+[0-9][0-9][0-9][0-9][0-9]*([0-9][0-9])", r"***\1")
WHOLE = Mask("", "")


def personal(model: type[Model]) -> Mapping[str, Mask]:
    """The fields of a model that are personal data, each with its mask."""
    fields: Mapping[str, Mask] = getattr(model, "personal_fields", {})
    return fields
