"""Normalisation and checks of text: invisible characters, and text that mail programs turn into links.

This module imports nothing from Django, because Django's settings use this module, too.
"""

import re
import unicodedata

# These are control and format characters, and characters without a glyph (Unicode's Default_Ignorable_Code_Point).
# SIGNS is a part of regular expressions in Python and in PostgreSQL. Both read its escapes (`\u200B`) in the same way.
SIGNS = (
    r"\u0001-\u001F\u007F-\u009F\u00AD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F\u2028-\u202E"
    r"\u2060-\u206F\u2800\u3164\uE000-\uF8FF\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFFB\uFFFE\uFFFF\U00013430-\U00013442"
    r"\U00016FE4\U0001BCA0-\U0001BCA3\U0001D159\U0001D173-\U0001D17A\U000E0000-\U000E0FFF\U000F0000-\U0010FFFF"
)
# Spaces of all widths. Line breaks and tabs are among the SIGNS.
SPACES = r"\u0020\u00A0\u1680\u2000-\u200A\u202F\u205F\u3000"
# A text of several lines contains line breaks (LF) and tabs, and no other control characters.
TEXT_CONTROLS = r"\u0001-\u0008\u000B-\u001F\u007F-\u009F\u2028\u2029\uFFFE\uFFFF"
# A text of one line contains no control characters, and no marks of direction that could turn the text around.
# Joiners and variation selectors within the text are allowed: some scripts and pictographs need them.
LINE_CONTROLS = r"\u0001-\u001F\u007F-\u009F\u2028-\u202E\u2066-\u2069\uFFFE\uFFFF"
_TEXT_CONTROL = re.compile(f"[{TEXT_CONTROLS}]")
_LINE_CONTROL = re.compile(f"[{LINE_CONTROLS}]")
_LINE_BREAK = re.compile(r"\r\n|[\r\v\f\u0085\u2028\u2029]")
_EDGE = re.compile(rf"[\s{SIGNS}]*+")
_INVISIBLE = re.compile(f"[{SIGNS}]")
_SPACES = re.compile(f"[{SPACES}]+")
# Mail programs turn `evil.example`, `bank.भारत` and 8.8.8.8 into links, which a name must not contain.
# So a name is refused if a full stop has a character directly before it and two directly after it, as in `a.bc`.
# The name J.R.R. Tolkien is allowed, because only one letter stands between two full stops.
# A domain can contain any character except spaces and punctuation: letters, digits, marks and pictographs.
# The patterns are applied to a text's NFKC form, which replaces look-alikes of a character by the character itself.
# NFKC doesn't replace U+3002, the ideographic full stop, so the patterns list it.
# No branch of these patterns (`…|…`) begins with a repetition such as `x+`.
# Otherwise a search in a long run of x would take quadratic time.
_LINK_PATTERN = r"//|\\|www[.]|\S@|(https?|ftp|mailto|tel|sms):|[0-9]([.\u3002][0-9]+){2}[.\u3002][0-9]"
_DOMAIN_CHARACTER = r"[^\s!-/:-@\[-`{-~\u2010-\u2027\u3002]"
WEB_ADDRESS = rf"{_LINK_PATTERN}|{_DOMAIN_CHARACTER}[.\u3002]{_DOMAIN_CHARACTER}{{2}}"
# Texts above this length aren't normalised, because such names are refused anyway.
# Normalisation sorts the marks (accents) of a letter one by one, so 130,000 marks would take seconds.
MAX_NORMALISED_CHARS = 1_000
MAX_FREE_TEXT_CHARS = 10_000  # 10,000 marks take 0.07 s
_WEB_ADDRESS = re.compile(WEB_ADDRESS, re.IGNORECASE)


def trim(text: str) -> str:
    """Removes spaces and invisible characters from both ends of a text."""
    text = text[_edge_length(text) :]
    return text[: len(text) - _edge_length(text[::-1])]


def _edge_length(text: str) -> int:
    """Returns the number of spaces and invisible characters at the beginning of a text."""
    match = _EDGE.match(text)
    return match.end() if match else 0


def has_invisible(text: str) -> bool:
    if text.isascii():
        return not text.isprintable()
    return bool(_INVISIBLE.search(text)) or any(unicodedata.category(character) in ("Cc", "Cf") for character in text)


def has_line_control(text: str) -> bool:
    return bool(_LINE_CONTROL.search(text))


def has_control(text: str) -> bool:
    return bool(_TEXT_CONTROL.search(text))


def without_signs(text: str) -> str:
    """Removes all invisible characters from a text."""
    return _INVISIBLE.sub("", text)


def has_web_address(text: str) -> bool:
    return bool(_WEB_ADDRESS.search(unicodedata.normalize("NFKC", text[:MAX_NORMALISED_CHARS])))


def normalise_name(text: str) -> str:
    """Returns the stored form of a name, or of another text of one line: NFC, trimmed, single plain spaces.

    Forbidden characters stay in the name here, because the fields' validators refuse them afterwards.
    """
    text = trim(text)
    return text if len(text) > MAX_NORMALISED_CHARS else unicodedata.normalize("NFC", _SPACES.sub(" ", text))


def normalise_free_text(text: str) -> str:
    """Returns the stored form of a text of several lines: NFC, trimmed, each line break LF (U+000A).

    Word processors write a line break as U+000B or U+2028.
    """
    text = trim(_LINE_BREAK.sub("\n", text))
    return text if len(text) > MAX_FREE_TEXT_CHARS else unicodedata.normalize("NFC", text)


def normalise_title(text: str) -> str:
    """Returns the stored form of a group's name: like a person's name, but in NFKC, so that no two names look alike."""
    return text if len(text) > MAX_NORMALISED_CHARS else normalise_name(unicodedata.normalize("NFKC", text))
