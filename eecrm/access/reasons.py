"""Change reasons. A change reason is one line of text that the audit trail keeps with a change."""

import unicodedata

MAX_REASON_CHARS = 500
UNFIT = f"A reason is a line of text in UTF-8 of at most {MAX_REASON_CHARS} characters."
_MAX_QUOTED_CHARS = 20


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
