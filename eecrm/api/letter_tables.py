"""Tables of letters for the SQL functions that fold text, read from `api.alphabets`."""

import string
from collections.abc import Iterable, Iterator

from api.alphabets import ALPHABETS, SAME_LETTER, WEIGHTLESS

# In ICU's root collation each of these letters stands right after an ASCII letter (with its other accents).
# The order of this list is the order of letters with the same ASCII letter. A search takes each for its ASCII letter.
LATIN = {
    "ɓ": "b", "ɖ": "d", "ɗ": "d", "ǝ": "e", "ə": "e", "ɛ": "e", "ƒ": "f", "ɠ": "g", "ɣ": "g", "ɦ": "h", "ı": "i",
    "ɨ": "i", "ɩ": "i", "ɟ": "j", "ƙ": "k", "ɲ": "n", "ŋ": "n", "ɔ": "o", "ɵ": "o", "ƥ": "p", "ĸ": "q", "ʃ": "s",
    "ʉ": "u", "ɯ": "u", "ʋ": "v", "ʌ": "v", "ƴ": "y", "ʒ": "z", "þ": "z", "ƿ": "z",
}  # fmt: skip
# A search takes these letters for each other, because keyboards and spellings differ. They differ in the order.
ALIKE = {"ی": "ي", "ى": "ي", "ک": "ك", "ة": "ه", "ہ": "ه"}
# Signs that repeat or lengthen a letter sort before digits, in this order.
_EXTENDERS = "ๆໆៗ々ゝー"

_FIRST_RANK = 0x2190  # code point of the first rank: in the arrows, which no folded text contains, and before Han
# Marks in the order of ICU's root collation, which is not that of their code points.
ACCENTS = "\u0301\u0300\u0306\u0302\u030c\u030a\u0308\u030b\u0303\u0307\u0328\u0327\u0304"
# Letters that differ from another letter by a stroke. For an order the stroke counts as an accent.
WITH_STROKE = "øłđðħŧґ"
# Forms of letters that count as upper case in an order: katakana, and forms at the end of a word.
_LIKE_UPPER = "".join(map(chr, range(0x30A1, 0x30FB))) + "ςךםןףץ"


def _code_points(ranges: str) -> Iterator[int]:
    """Reads `0041-0043 0061` or, with a step, `0100-0104/2`."""
    for item in ranges.split():
        bounds, _, step = item.partition("/")
        first, _, last = bounds.partition("-")
        yield from range(int(first, 16), int(last or first, 16) + 1, int(step or 1))


def letters_in(ranges: str) -> str:
    return "".join(map(chr, _code_points(ranges)))


def character_class(letters: Iterable[str]) -> str:
    """Returns the letters in the syntax of a regular expression of PostgreSQL, between brackets."""
    codes = sorted(map(ord, letters))
    firsts = [code for place, code in enumerate(codes) if place == 0 or codes[place - 1] < code - 1]
    lasts = [code for place, code in enumerate(codes, 1) if place == len(codes) or codes[place] > code + 1]
    return "".join(f"\\U{first:08X}-\\U{last:08X}" for first, last in zip(firsts, lasts, strict=True))


def same_letters() -> dict[str, str]:
    pairs: dict[str, str] = {}
    for item in SAME_LETTER.split():
        forms, _, letters = item.partition("=")
        step = forms.partition("/")[2]
        targets = letters_in(f"{letters}/{step}" if step and "-" in letters else letters)
        sources = letters_in(forms)
        pairs |= zip(sources, targets if len(targets) > 1 else targets * len(sources), strict=True)
    return pairs


def ranks() -> dict[str, str]:
    letters = "".join(map(letters_in, ALPHABETS.values()))
    ranks = {letter: chr(_FIRST_RANK + rank) for rank, letter in enumerate(letters)}
    return ranks | {sign: chr(ord("!") + rank) for rank, sign in enumerate(_EXTENDERS)}


def always_weightless() -> str:
    """Returns WEIGHTLESS without the marks that make another letter of some letters: breve, and the marks of alef."""
    return WEIGHTLESS.replace("0300-0362", "0300-0305 0307-0362").replace("064B-065F", "064B-0652 0656-065F")


def upper_case() -> str:
    """Returns the letters that count as upper case in an order."""
    return "".join([string.ascii_uppercase, _LIKE_UPPER, *filter(str.isupper, same_letters())])
