"""Finds the ISO 3166-1 code of a country by one of the names that files use for the country."""

import gettext
import re
from functools import cache

import pycountry

from csv_files.words import plain

# ISO 3166-1 lacks these names: short forms, and former states. A former state has the code of its likely successor.
_ALIASES = {
    "Cape Verde": "CV", "Czech": "CZ", "England": "GB", "Great Britain": "GB", "Holland": "NL", "Ivory Coast": "CI",
    "Korea": "KR", "Kosovo": "XK", "Laos": "LA", "Libyan Arab Jamahiriya": "LY", "Macau": "MO", "Macedonia": "MK",
    "Micronesia": "FM", "Netherlands Antilles": "CW", "Palestine": "PS", "Palestinian Territory": "PS",
    "Pitcairn Islands": "PN", "Russia": "RU", "Saint Helena": "SH", "Saint Martin": "MF", "Scotland": "GB",
    "Svalbard & Jan Mayen Islands": "SJ", "Swaziland": "SZ", "The Netherlands": "NL", "Turkey": "TR", "UK": "GB",
    "United States Virgin Islands": "VI", "Wales": "GB",
    "Angleterre": "GB", "Corée du Sud": "KR", "Grande-Bretagne": "GB", "République tchèque": "CZ", "Russie": "RU",
}  # fmt: skip


@cache
def region_of(name: str) -> str | None:
    """Returns the two-letter code of a country. `name` is an English or French name, or a code. None if unknown."""
    without_remark = re.sub(r"\(.*?\)", "", name)  # removes the remark in `Slovakia (Slovak Republic)`
    return _regions().get(plain(name)) or _regions().get(plain(without_remark))


@cache
def _regions() -> dict[str, str]:
    french = gettext.translation("iso3166-1", pycountry.LOCALES_DIR, languages=["fr"], fallback=True)
    regions: dict[str, str] = {}
    for country in pycountry.countries:
        names = [getattr(country, key, "") for key in ("alpha_2", "alpha_3", "name", "common_name", "official_name")]
        names += [french.gettext(name) for name in names if name]
        regions |= {plain(name): country.alpha_2 for name in names if name}
    return regions | {plain(name): region for name, region in _ALIASES.items()}
