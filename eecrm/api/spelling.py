"""How texts are spelt here: what nobody sees, and what readers of mail make links of. Settings use it too: it needs no Django."""

import re
import unicodedata

# Control and format characters, and signs that are drawn as nothing (Unicode's Default_Ignorable_Code_Point). Python's
# and PostgreSQL's regular expressions read these escapes alike.
SIGNS = (
    r"\u0001-\u001F\u007F-\u009F\u00AD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F\u2028-\u202E"
    r"\u2060-\u206F\u2800\u3164\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFFB\U000E0000-\U000E0FFF"
)
_EDGE = re.compile(rf"[\s{SIGNS}]*+")
_HIDDEN = re.compile(f"[{SIGNS}]")
_SPACES = re.compile(r"[ \u00A0\u1680\u2000-\u200A\u202F\u205F\u3000]+")
# Readers of mail make a link of `evil.example`, of `bank.भारत` and of 8.8.8.8. In J.R.R. Tolkien one letter stands between two
# full stops. What stands at one may be a letter, a digit, a mark or a picture: all but spaces and punctuation. All is applied to
# the NFKC form, in which each look-alike of a sign is that sign; the ideographic full stop alone has none.
# No part begins with what repeats: it would be looked for again from each sign of a long run.
_LINKS = r"//|\\|www[.]|@|(https?|ftp|mailto|tel|sms):|[0-9]([.\u3002][0-9]+){2}[.\u3002][0-9]"
_SIGN = r"[^\s!-/:-@\[-`{-~\u2010-\u2027\u3002]"
WEB_ADDRESS = rf"{_LINKS}|{_SIGN}[.\u3002]{_SIGN}{{2}}"
# Longer texts are nobody's names, and are refused for that: none is spelt anew. Unicode puts the marks of a letter into order one by
# one, so that 130,000 of them would take seconds.
MOST_CHARS = 1_000
_WEB_ADDRESS = re.compile(WEB_ADDRESS, re.IGNORECASE)


def trim(text: str) -> str:
    """The text without spaces and invisible characters at its edges."""
    text = text[_edge(text) :]
    return text[: len(text) - _edge(text[::-1])]


def _edge(text: str) -> int:
    """How many such characters it begins with."""
    found = _EDGE.match(text)
    return found.end() if found else 0


def has_invisible(text: str) -> bool:
    return bool(_HIDDEN.search(text)) or any(unicodedata.category(sign) in ("Cc", "Cf") for sign in text)


def without_signs(text: str) -> str:
    """The text without the signs that are drawn as nothing."""
    return _HIDDEN.sub("", text)


def has_web_address(text: str) -> bool:
    return bool(_WEB_ADDRESS.search(unicodedata.normalize("NFKC", text[:MOST_CHARS])))


def normalise_name(text: str) -> str:
    """The one spelling of a name: NFC, trimmed, single plain spaces. What doesn't belong in a name stays, to be refused."""
    text = trim(text)
    return text if len(text) > MOST_CHARS else unicodedata.normalize("NFC", _SPACES.sub(" ", text))


def normalise_title(text: str) -> str:
    """The one spelling of the name of a thing: as of a person's, in NFKC, so that it looks like no other."""
    return text if len(text) > MOST_CHARS else normalise_name(unicodedata.normalize("NFKC", text))
