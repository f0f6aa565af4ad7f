"""Change reasons. A change reason is one line of text that the audit trail keeps with a change."""

import re
import unicodedata
from urllib.parse import unquote_to_bytes

HEADER = "X-Change-Reason"
MAX_REASON_CHARS = 500
UNFIT = f"A reason is a line of text in UTF-8 of at most {MAX_REASON_CHARS} characters."
UNREADABLE = (
    "A reason is sent in UTF-8 or, by programs that can't, as UTF-8''pas%20%C3%A9t%C3%A9%20pay%C3%A9 (RFC 8187). "
    "In JavaScript that is \"UTF-8''\" + encodeURIComponent(reason)."
)
_MAX_QUOTED_CHARS = 20

# RFC 8187, section 3.2.1: charset, language (unused here), and characters that stand for themselves or as `%C3`.
# encodeURIComponent leaves apostrophes, brackets and asterisks as they are. They can't be misread, so they are accepted.
_ENCODED = re.compile(r"UTF-8'[A-Za-z0-9-]*'((?:[A-Za-z0-9!#$&+.^_`|~'()*-]|%[0-9A-Fa-f]{2})*+)", re.IGNORECASE)
_ENCODED_START = re.compile(r"UTF-8'", re.IGNORECASE)


def decode_header(header: str) -> str:
    """Reads a reason from a header: plain UTF-8, or the form of RFC 8187, which begins with `UTF-8'`.

    WSGI decodes the bytes of a header as Latin-1. Raises ValueError with UNREADABLE if the header is neither.
    """
    try:
        text = header.encode("latin-1").decode()
        if not _ENCODED_START.match(text):
            return text
        if encoded := _ENCODED.fullmatch(text):
            return unquote_to_bytes(encoded[1]).decode()
    except UnicodeError:
        pass
    raise ValueError(UNREADABLE)


def one_line(text: str) -> str:
    """Returns the text in NFC with plain spaces, and without spaces at its ends. A text that is too long stays as it is.

    Tabs and spaces of other widths, which come with pasted text, are replaced by plain spaces.
    """
    text = "".join(" " if char == "\t" or unicodedata.category(char) == "Zs" else char for char in text).strip(" ")
    return text if len(text) > MAX_REASON_CHARS else unicodedata.normalize("NFC", text)


def fault_of(text: str) -> str:
    """Returns a sentence that says why the text can't be a change reason; "" if it can be one."""
    if len(text) > MAX_REASON_CHARS:
        return f"{UNFIT} This one has {len(text):,}."
    for index, char in enumerate(text):
        if not char.isprintable():
            before = text[max(0, index - _MAX_QUOTED_CHARS) : index]
            return f"{UNFIT} This one has {_in_words(char)} {f'after “{before}”' if before else 'at its beginning'}."
    return ""


def _in_words(char: str) -> str:
    if len(f"{char}x".splitlines()) > 1:
        return "a line break"
    return f"a character that can't be seen ({unicodedata.name(char, 'no name')}, U+{ord(char):04X})"
