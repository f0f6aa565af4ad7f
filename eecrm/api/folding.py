"""SQL functions that fold text: one form for all spellings of a name, for word search and for the order of lists.

Folding needs neither an extension nor a collation of the server, because builds of PostgreSQL differ in both. So it
gives the same keys on every server (docs/adr/0028). The files in `api/sql` build on these functions.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from api.alphabets import ALPHABETS, MARKS, SAME_LETTER, SEPARATORS, WEIGHTLESS

# In ICU's root collation each of these letters stands right after an ASCII letter (with its other accents).
# The order of this list is the order of letters with the same ASCII letter. A search takes each for its ASCII letter.
_LATIN = {
    "ɓ": "b", "ɖ": "d", "ɗ": "d", "ǝ": "e", "ə": "e", "ɛ": "e", "ƒ": "f", "ɠ": "g", "ɣ": "g", "ɦ": "h", "ı": "i",
    "ɨ": "i", "ɩ": "i", "ɟ": "j", "ƙ": "k", "ɲ": "n", "ŋ": "n", "ɔ": "o", "ɵ": "o", "ƥ": "p", "ĸ": "q", "ʃ": "s",
    "ʉ": "u", "ɯ": "u", "ʋ": "v", "ʌ": "v", "ƴ": "y", "ʒ": "z", "þ": "z", "ƿ": "z",
}  # fmt: skip
# A search takes these letters for each other, because keyboards and spellings differ. They differ in the order.
_ALIKE = {"ی": "ي", "ى": "ي", "ک": "ك", "ة": "ه", "ہ": "ه"}
# Signs that repeat or lengthen a letter sort before digits, in this order.
_EXTENDERS = "ๆໆៗ々ゝー"

_FIRST_RANK = 0x2190  # code point of the first rank: in the arrows, which no folded text contains, and before Han
MAX_ORDER_KEY_CHARS = 250
_AFTER_ALL = 0x10FF00  # code points from here on sort after all letters
# Marks in the order of ICU's root collation, which is not that of their code points.
_ACCENTS = "\u0301\u0300\u0306\u0302\u030c\u030a\u0308\u030b\u0303\u0307\u0328\u0327\u0304"
_UPPER = r"A-Z\u00C6\u00D0\u00D8\u00DE\u0110\u0126\u0141\u014A\u0152\u0166\u018F\u0391-\u03A9\u0400-\u042F\u0490"
_UPPER += r"\u0492-\u04BE\u0531-\u0556\u1C90-\u1CBF\u30A1-\u30FA\u03C2\u05DA\u05DD\u05DF\u05E3\u05E5"


def _code_points(ranges: str) -> Iterator[int]:
    """Reads `0041-0043 0061` or, with a step, `0100-0104/2`."""
    for item in ranges.split():
        bounds, _, step = item.partition("/")
        first, _, last = bounds.partition("-")
        yield from range(int(first, 16), int(last or first, 16) + 1, int(step or 1))


def _letters(ranges: str) -> str:
    return "".join(map(chr, _code_points(ranges)))


def _class(letters: Iterable[str]) -> str:
    """Returns the letters in the syntax of a regular expression of PostgreSQL, between brackets."""
    codes = sorted(map(ord, letters))
    firsts = [code for place, code in enumerate(codes) if place == 0 or codes[place - 1] < code - 1]
    lasts = [code for place, code in enumerate(codes, 1) if place == len(codes) or codes[place] > code + 1]
    return "".join(f"\\U{first:08X}-\\U{last:08X}" for first, last in zip(firsts, lasts, strict=True))


def _translation(pairs: dict[str, str]) -> str:
    """Returns the SQL that replaces letters in the variable `letters`.

    PostgreSQL's `translate` compares each letter of a text with each letter of its list. So the lists are short: one
    for each 256 code points, and only the lists of letters that the text contains are used.
    """
    blocks: dict[int, dict[str, str]] = defaultdict(dict)
    for letter, other in pairs.items():
        blocks[ord(letter) // 256][letter] = other
    cases = "\n".join(
        f"            WHEN {block} THEN translate(letters, {_literal(part)}, {_literal(part.values())})"
        for block, part in sorted(blocks.items())
    )
    return f"""
    LOOP
        found := substring(letters FROM '[{_class(pairs)}]');
        EXIT WHEN found IS NULL;
        letters := CASE ascii(found) / 256
{cases}
        END;
    END LOOP;
"""


def _literal(letters: Iterable[str]) -> str:
    return "'" + "".join(letters).replace("'", "''") + "'"


def _same_letters() -> dict[str, str]:
    pairs: dict[str, str] = {}
    for item in SAME_LETTER.split():
        forms, _, letters = item.partition("=")
        step = forms.partition("/")[2]
        targets = _letters(f"{letters}/{step}" if step and "-" in letters else letters)
        sources = _letters(forms)
        pairs |= zip(sources, targets if len(targets) > 1 else targets * len(sources), strict=True)
    return pairs


def _ranks() -> dict[str, str]:
    letters = "".join(map(_letters, ALPHABETS.values()))
    ranks = {letter: chr(_FIRST_RANK + rank) for rank, letter in enumerate(letters)}
    return ranks | {sign: chr(ord("!") + rank) for rank, sign in enumerate(_EXTENDERS)}


def letters_function() -> str:
    """Returns the SQL of `letters_of(text)`, the first step of folding.

    Spaces separate tokens. U+0001 stands for punctuation within a token or at its edges. Letters are in lower case, in
    NFC and without accents. The letters й, آ, أ, إ, ؤ and ئ keep their marks, because they are letters of their own.
    """
    same_letters = _translation(_same_letters())
    always = _class(_letters(_always_weightless()))
    weightless = rf"(?<![иИ])\u0306|(?<!ا)[\u0653\u0655]|(?<![اوي])\u0654|[{always}]+"
    return rf"""
CREATE OR REPLACE FUNCTION letters_of(original text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $function$
DECLARE
    letters text COLLATE "C" := original;
    found text COLLATE "C";
BEGIN
    IF octet_length(letters) > length(letters) THEN
        letters := regexp_replace(normalize(letters, NFKD), '{weightless}', '', 'g');
    END IF;
    IF octet_length(letters) > length(letters) THEN
{same_letters}
        letters := replace(replace(replace(letters, 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe');
        letters := normalize(letters, NFC);
    END IF;
    letters := regexp_replace(lower(letters), '[\u0001-\u0020\u0085\u1680\u2028\u2029]+', ' ', 'g');
    RETURN regexp_replace(letters, '[!-/:-@\[-`{{-\u0080{_class(_letters(SEPARATORS))}]+', E'\u0001', 'g');
END
$function$;
"""


def _always_weightless() -> str:
    """Returns WEIGHTLESS without the marks that make another letter of some letters: breve, and the marks of alef."""
    return WEIGHTLESS.replace("0300-0362", "0300-0305 0307-0362").replace("064B-065F", "064B-0652 0656-065F")


def searched_letters_function() -> str:
    """Returns the SQL of `searched_letters_of(text)`: the letters for word search, without any marks."""
    alike = _LATIN | _ALIKE
    return rf"""
CREATE OR REPLACE FUNCTION searched_letters_of(original text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $function$
DECLARE
    letters text COLLATE "C" := letters_of(original);
    found text COLLATE "C";
BEGIN
    IF octet_length(letters) > length(letters) THEN
        letters := regexp_replace(normalize(letters, NFD), '[{_class(_letters(MARKS))}]+', '', 'g');
        letters := replace(letters, 'þ', 'th');
{_translation(alike)}    END IF;
    RETURN letters;
END
$function$;
"""


def order_letters_function() -> str:
    """Returns the SQL of `order_letters(name)`: letters that sort byte by byte as ICU's root collation sorts names.

    Latin letters stay as they are, so most keys can be read. Other letters are replaced by their ranks.
    """
    latin = "".join(
        f"            letters := replace(letters, '{letter}', '{base}{chr(_AFTER_ALL + place)}');\n"
        for place, (letter, base) in enumerate(_LATIN.items())
    )
    return rf"""
CREATE OR REPLACE FUNCTION order_letters(name text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $function$
DECLARE
    letters text COLLATE "C" := btrim(regexp_replace(letters_of(name), '[ \u0001]+', ' ', 'g'));
    found text COLLATE "C";
BEGIN
    IF octet_length(letters) > length(letters) THEN
        IF letters ~ '[{"".join(_LATIN)}]' THEN
{latin}        END IF;
        IF letters ~ '[가-힣]' THEN
            letters := normalize(letters, NFD);
        END IF;
        -- A vowel of Thai or Lao that is written before its consonant sorts after the consonant.
        letters := regexp_replace(letters, '([\u0E40-\u0E44])([\u0E01-\u0E2E])|([\u0EC0-\u0EC4])([\u0E81-\u0EAE])',
                                  '\2\1\4\3', 'g');
{_translation(_ranks())}    END IF;
    -- Without this limit a name could become too long for an index. A stored name has at most 200 characters.
    RETURN left(letters, 200);
END
$function$;
"""


def order_key_function() -> str:
    """Returns the SQL of `order_key(name)`: letters first, then accents, then upper case, compared byte by byte.

    U+0001 and U+0002 separate the three parts, because they sort before all that a part contains.
    """
    accents = {accent: chr(0x300 + place) for place, accent in enumerate(_ACCENTS)}
    return rf"""
CREATE OR REPLACE FUNCTION order_key(name text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $function$
DECLARE
    written text COLLATE "C" := normalize(name, NFKD);
    accents text COLLATE "C" := '';
    capitals text COLLATE "C";
BEGIN
    IF octet_length(written) > length(written) THEN
        accents := translate(written, {_literal(accents)}, {_literal(accents.values())});
        accents := rtrim(regexp_replace(accents, '[^{_class(_letters(WEIGHTLESS))}øØłŁđĐðÐħĦŧŦ]', '0', 'g'), '0');
        written := regexp_replace(written, '[{_class(_letters(WEIGHTLESS))}]+', '', 'g');
    END IF;
    capitals := rtrim(regexp_replace(regexp_replace(written, '[{_UPPER}]', '1', 'g'), '[^1]', '0', 'g'), '0');
    RETURN left(concat(order_letters(name), E'\u0001' || nullif(accents || E'\u0002' || capitals, E'\u0002')),
                {MAX_ORDER_KEY_CHARS});
END
$function$;
"""


def functions() -> dict[str, str]:
    """Maps function name to SQL."""
    return {
        "letters_of": letters_function(),
        "searched_letters_of": searched_letters_function(),
        "order_letters": order_letters_function(),
        "order_key": order_key_function(),
    }
