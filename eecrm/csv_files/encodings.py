"""Decodes the bytes of a CSV file. It detects the encoding, and refuses files that aren't CSV."""

import re

from django.utils.translation import gettext

from csv_files import CannotImport
from csv_files.words import quoted

# Encodings that can be detected. cp1252 (Western European) is the only Windows code page.
# Western and Central European code pages can't be told apart by the few accented letters of a text.
_ENCODINGS = ["utf_8", "utf_16", "utf_16_le", "utf_16_be", "utf_32", "cp1252"]

# First bytes of files that users take for lists, and the name of each format.
_OTHER_FORMATS = {
    b"BEGIN:VCARD": "vCard", b"BEGIN:VCALENDAR": "iCalendar", b"PK\x03\x04": "Excel (xlsx) or ZIP",
    b"\xd0\xcf\x11\xe0": "Excel (xls)", b"%PDF": "PDF", b"<!DOCTYPE": "HTML", b"<html": "HTML", b"<table": "HTML",
    b"<?xml": "XML", b"{": "JSON", b"[{": "JSON", b"dn: ": "LDIF", b"{\\rtf": "RTF",
}  # fmt: skip

# Letters that a Macintosh or DOS text gets if it is read as cp1252: `SociŽtŽ` and `Soci‚t‚` for `Société`.
# Words of Western European languages have none of them at these places.
_MISREAD = re.compile(
    r"(?:[a-zß-öø-ÿ][ŠŒŽŸ]|Ÿ[a-zß-öø-ÿ]|[^\W\d_][†‡ˆ‰˜ƒ¤§]|[^\W\d_][‚„](?=[^\W\d_]|[;,\t\r\n\"]|$)|[†‡ˆ‰˜ƒ][^\W\d_]"
    r"|[^\W\d_][“”•][^\W\d_])[^\s;,\"]{0,20}"
)


def decode(raw: bytes, name: str) -> tuple[str, str]:
    """Returns the text of a file, and its detected encoding. Raises CannotImport if the file isn't readable text."""
    refuse_other_format(raw, name)
    # Bytes with NULs aren't read as UTF-8, because such bytes may be UTF-16.
    # UTF-16 without a byte order mark can be valid UTF-8 with many NULs.
    if b"\0" not in raw:
        try:
            return raw.decode(), "utf-8"
        except UnicodeDecodeError:
            pass
    # Python loads charset_normalizer only here, because loading it takes longer than importing a whole CSV file.
    # Most files are UTF-8, and need no detection of the encoding by charset_normalizer.
    import charset_normalizer

    best = charset_normalizer.from_bytes(raw, cp_isolation=_ENCODINGS).best()
    if best is None:
        raise CannotImport(
            gettext(
                "%(file)s isn't text in an encoding that can be found out. If it is a spreadsheet, save it as CSV first;"
                " if it is text, save it as UTF-8, or name its encoding to the command with --encoding."
            )
            % {"file": name}
        )
    text = str(best)
    refuse_other_format(text[:100].encode(), name)  # a vCard in UTF-16
    if best.encoding == "cp1252" and (misread := _misread_word(text)):
        raise CannotImport(
            gettext(
                "%(file)s isn't UTF-8, and as Windows text (cp1252) it would have wrong letters, such as %(example)s. Save"
                " it as UTF-8, or name its encoding to the command with --encoding: mac-roman for a Macintosh, cp850 for"
                " DOS."
            )
            % {"file": name, "example": quoted(misread)}
        )
    return text, best.encoding.replace("_", "-")


def decode_as(raw: bytes, encoding: str, name: str) -> tuple[str, str]:
    """Returns the text of a file in the encoding that the user has named. Raises CannotImport if that fails."""
    refuse_other_format(raw, name)
    try:
        text = raw.decode(encoding)
        text.encode()  # fails for lone surrogates, which the codecs utf-7 and unicode_escape can produce
        return text, encoding
    except LookupError:
        sentence = gettext("'%(encoding)s' isn't an encoding of text: try utf-8, utf-16 or cp1252.")
        raise CannotImport(sentence % {"encoding": encoding}) from None
    except UnicodeError:
        sentence = gettext("%(file)s isn't encoded in %(encoding)s: name another with --encoding, or none.")
        raise CannotImport(sentence % {"file": name, "encoding": encoding}) from None


def _misread_word(text: str) -> str:
    """Returns a word that shows that the text isn't cp1252; "" if there is none."""
    match = _MISREAD.search(text)
    if match is None:
        return ""
    *_, beginning = re.split(r"[\s;,\"]", text[max(0, match.start() - 20) : match.start()])
    return beginning + match[0]


def refuse_other_format(raw: bytes, name: str) -> None:
    """Raises CannotImport if the file is a vCard, a spreadsheet or another format that isn't CSV."""
    start = raw[:100].removeprefix(b"\xef\xbb\xbf").lstrip()
    for first_bytes, file_format in _OTHER_FORMATS.items():
        if start[: len(first_bytes)].lower() == first_bytes.lower():
            sentence = gettext("%(file)s is a file in the format %(format)s, and not CSV: export the list as CSV.")
            raise CannotImport(sentence % {"file": name, "format": file_format})
