"""SQL functions that fold text: one form for all spellings of a name, for word search and for the order of lists.

Folding needs neither an extension nor a collation of the server, because builds of PostgreSQL differ in both. So it
gives the same keys on every server (docs/adr/0028). The files in `api/sql` build on these functions.
"""

from collections import defaultdict
from collections.abc import Iterable

from api.alphabets import MARKS, SEPARATORS, WEIGHTLESS
from api.letter_tables import (
    ACCENTS,
    ALIKE,
    LATIN,
    WITH_STROKE,
    always_weightless,
    character_class,
    letters_in,
    ranks,
    same_letters,
    upper_case,
)

MAX_ORDER_KEY_CHARS = 250
_AFTER_ALL = 0x10FF00  # code points from here on sort after all letters


def _translation(pairs: dict[str, str]) -> str:
    """Returns the SQL that replaces letters in the variable `letters`.

    PostgreSQL's `translate` compares each letter of a text with each letter of its list. So the lists are short: one
    for each 256 code points, and only the lists of letters that the text contains are used.
    """
    if not pairs.keys().isdisjoint(pairs.values()):
        raise ValueError("A letter is replaced by a letter that is replaced in turn: this loop would have no end.")
    blocks: dict[int, dict[str, str]] = defaultdict(dict)
    for letter, other in pairs.items():
        blocks[ord(letter) // 256][letter] = other
    cases = "\n".join(
        f"            WHEN {block} THEN translate(letters, {_literal(part)}, {_literal(part.values())})"
        for block, part in sorted(blocks.items())
    )
    return f"""
    LOOP
        found := substring(letters FROM E'[{character_class(pairs)}]');
        EXIT WHEN found IS NULL;
        letters := CASE ascii(found) / 256
{cases}
        END;
    END LOOP;
"""


def _literal(letters: Iterable[str]) -> str:
    return "'" + "".join(letters).replace("'", "''") + "'"


def letters_function() -> str:
    """Returns the SQL of `letters_of(text)`, the first step of folding.

    Spaces separate tokens. U+0001 stands for punctuation within a token or at its edges. Letters are in lower case, in
    NFC and without accents. The letters й, آ, أ, إ, ؤ and ئ keep their marks, because they are letters of their own.
    """
    same = _translation(same_letters())
    always = character_class(letters_in(always_weightless()))
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
        letters := regexp_replace(normalize(letters, NFKD), E'{weightless}', '', 'g');
    END IF;
    IF octet_length(letters) > length(letters) THEN
{same}
        letters := replace(replace(replace(letters, 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe');
        letters := normalize(letters, NFC);
    END IF;
    letters := regexp_replace(lower(letters), E'[\u0001-\u0020\u0085\u1680\u2028\u2029]+', ' ', 'g');
    RETURN regexp_replace(letters, E'[!-/:-@[-`{{-\u0080{character_class(letters_in(SEPARATORS))}]+', E'\u0001', 'g');
END
$function$;
"""


def searched_letters_function() -> str:
    """Returns the SQL of `searched_letters_of(text)`: the letters for word search, without any marks."""
    alike = LATIN | ALIKE
    return rf"""
CREATE OR REPLACE FUNCTION searched_letters_of(original text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $function$
DECLARE
    letters text COLLATE "C" := letters_of(original);
    found text COLLATE "C";
BEGIN
    IF octet_length(letters) > length(letters) THEN
        letters := regexp_replace(normalize(letters, NFD), E'[{character_class(letters_in(MARKS))}]+', '', 'g');
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
        for place, (letter, base) in enumerate(LATIN.items())
    )
    return rf"""
CREATE OR REPLACE FUNCTION order_letters(name text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $function$
DECLARE
    letters text COLLATE "C" := btrim(regexp_replace(letters_of(name), E'[ \u0001]+', ' ', 'g'));
    found text COLLATE "C";
BEGIN
    IF octet_length(letters) > length(letters) THEN
        IF letters ~ '[{"".join(LATIN)}]' THEN
{latin}        END IF;
        IF letters ~ '[가-힣]' THEN
            letters := normalize(letters, NFD);
        END IF;
        -- A vowel of Thai or Lao that is written before its consonant sorts after the consonant.
        letters := regexp_replace(letters, E'([\u0E40-\u0E44])([\u0E01-\u0E2E])|([\u0EC0-\u0EC4])([\u0E81-\u0EAE])',
                                  E'\\2\\1\\4\\3', 'g');
{_translation(ranks())}    END IF;
    -- Without this limit a name could become too long for an index. A stored name has at most 200 characters.
    RETURN left(letters, 200);
END
$function$;
"""


def order_key_function() -> str:
    """Returns the SQL of `order_key(name)`: letters first, then accents, then upper case, compared byte by byte.

    U+0001 and U+0002 separate the three parts, because they sort before all that a part contains.
    """
    accents = {accent: chr(0x300 + place) for place, accent in enumerate(ACCENTS)}
    accents |= zip(WITH_STROKE.upper(), WITH_STROKE, strict=True)
    weightless = character_class(letters_in(WEIGHTLESS))
    return rf"""
CREATE OR REPLACE FUNCTION order_key(name text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $function$
DECLARE
    written text COLLATE "C" := name;
    accents text COLLATE "C" := '';
    capitals text COLLATE "C";
BEGIN
    IF octet_length(written) > length(written) THEN
        written := normalize(written, NFKD);
        accents := translate(written, {_literal(accents)}, {_literal(accents.values())});
        accents := rtrim(regexp_replace(accents, E'[^{weightless}{WITH_STROKE}]', '0', 'g'), '0');
        written := regexp_replace(written, E'[{weightless}]+', '', 'g');
    END IF;
    capitals := regexp_replace(written, E'[{character_class(upper_case())}]', '1', 'g');
    capitals := rtrim(regexp_replace(capitals, '[^1]', '0', 'g'), '0');
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
