"""Finds the ISO 3166-1 code of a country by one of the names that files use for the country."""

import gettext
import re
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from pathlib import Path

import pycountry
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

from csv_files.words import plain

# ISO 3166-1 lacks these names: short forms, and former states. A former state has the code of its likely successor.
_ALIASES = {
    "Cape Verde": "CV", "Czech": "CZ", "England": "GB", "Great Britain": "GB", "Holland": "NL", "Ivory Coast": "CI",
    "Korea": "KR", "Kosovo": "XK", "Laos": "LA", "Libyan Arab Jamahiriya": "LY", "Macau": "MO", "Macedonia": "MK",
    "Micronesia": "FM", "Netherlands Antilles": "CW", "Northern Ireland": "GB", "Palestine": "PS",
    "Palestinian Territory": "PS", "Pitcairn Islands": "PN", "Russia": "RU", "Saint Helena": "SH",
    "Saint Martin": "MF", "Scotland": "GB", "Svalbard & Jan Mayen Islands": "SJ", "Swaziland": "SZ", "Turkey": "TR",
    "UAE": "AE", "UK": "GB", "United States Virgin Islands": "VI", "Wales": "GB",
    "Angleterre": "GB", "Birmanie": "MM", "Bosnie": "BA", "Corée": "KR", "Corée du Nord": "KP", "Corée du Sud": "KR",
    "Écosse": "GB", "Émirats": "AE", "France métropolitaine": "FR", "Grande-Bretagne": "GB", "Guyane": "GF",
    "Hollande": "NL", "Irlande du Nord": "GB", "Macédoine": "MK", "Pays de Galles": "GB", "République tchèque": "CZ",
    "Russie": "RU",
}  # fmt: skip
_ARTICLE = re.compile(r"^(?:the|la|le|les|los|las|el|die|der)\s+|^l['’]\s*", re.IGNORECASE)
_CALLING_CODE = re.compile(r"(?:\+|00)\s*([1-9][0-9]{0,2})")
_MAX_NAME_CHARS = 100
_NAMES = ("alpha_2", "alpha_3", "name", "common_name", "official_name")


@lru_cache(maxsize=10_000)
def region_of(name: str) -> str | None:
    """Returns the two-letter code of a country; None if the country is unknown.

    `name` is a name in any language that pycountry has, a code of ISO 3166-1, or a calling code (`+33`). An article or
    a remark beside the name changes nothing: `La Réunion`, `Slovakia (Slovak Republic)`, `FR - France`.
    """
    if len(name) > _MAX_NAME_CHARS:
        return None
    if code := _CALLING_CODE.fullmatch(name.strip()):
        # Several countries may share a calling code. The first one is the main country, as the USA is for +1.
        return next((region for region in COUNTRY_CODE_TO_REGION_CODE.get(int(code[1]), ()) if region != "001"), None)
    spellings = [plain(spelling) for spelling in _spellings(name)]
    return _first_known(_regions(), spellings) or _first_known(_regions_in_all_languages(), spellings)


def _spellings(name: str) -> Iterator[str]:
    yield name
    without_remark = re.sub(r"\(.*?\)", "", name).strip()
    yield without_remark
    yield _ARTICLE.sub("", without_remark)
    yield from (part for part in re.split(r"\s[-–/|]\s|[()]", name) if part.strip())


def _first_known(regions: dict[str, str], spellings: Iterable[str]) -> str | None:
    return next((regions[spelling] for spelling in spellings if spelling in regions), None)


@cache
def _regions() -> dict[str, str]:
    """Maps the codes of countries and their English and French names to their two-letter codes."""
    aliases = {plain(name): region for name, region in _ALIASES.items()}
    french = gettext.translation("iso3166-1", pycountry.LOCALES_DIR, languages=["fr"], fallback=True)
    return _unambiguous(_names(french)) | _unambiguous(_names(gettext.NullTranslations())) | aliases


@cache
def _regions_in_all_languages() -> dict[str, str]:
    """Maps the names of countries in all languages of pycountry to their two-letter codes.

    Reading all languages takes about half a second.
    """
    folders = sorted(Path(pycountry.LOCALES_DIR).glob("*/LC_MESSAGES/iso3166-1.mo"))
    languages = [folder.parent.parent.name for folder in folders]
    return _unambiguous(
        name
        for language in languages
        for name in _names(gettext.translation("iso3166-1", pycountry.LOCALES_DIR, languages=[language]))
    )


def _names(translation: gettext.NullTranslations) -> Iterator[tuple[str, str]]:
    for country in pycountry.countries:
        for key in _NAMES:
            if name := getattr(country, key, ""):
                yield translation.gettext(name), country.alpha_2


def _unambiguous(names: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Maps each name, and its part before a comma, to its country. A name of two countries is left out.

    The part before the comma stands for names such as `Bolivia, Plurinational State of`.
    """
    whole: dict[str, set[str]] = {}
    beginnings: dict[str, set[str]] = {}
    for name, region in names:
        whole.setdefault(plain(name), set()).add(region)
        beginnings.setdefault(plain(name.partition(",")[0]), set()).add(region)
    return {name: next(iter(regions)) for name, regions in (beginnings | whole).items() if name and len(regions) == 1}
