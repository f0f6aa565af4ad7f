"""Tables in files as programs write them: any encoding, any delimiter, and what is no table is told in a sentence."""

from pathlib import Path

import pytest

from csv_files import CannotImport
from csv_files.columns import Columns
from csv_files.problems import Problem, failure, malformed
from csv_files.reading import Record, parse_table, read_table
from csv_files.words import listed, plain, quoted

HEADER = "Company,First name,Email"
ROW = "Nordlys,Ingrid,ingrid@nordlys.example"
TEXT = f"{HEADER}\n{ROW}\n"


def refused(content: bytes, **options: str) -> str:
    with pytest.raises(CannotImport) as refusal:
        parse_table(content, "list.csv", **options)
    return str(refusal.value)


# --- encodings


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_the_encoding_is_found_out(encoding: str) -> None:
    text = HEADER.replace(",", ";") + "\nHôtel de la Forêt;Zoé;zoe@foret.example\n"
    table = parse_table(text.encode(encoding), "list.csv")
    assert table.header == ["Company", "First name", "Email"]
    assert table.records == [Record(2, ["Hôtel de la Forêt", "Zoé", "zoe@foret.example"])]


def test_english_in_utf_16_without_its_mark_does_not_pass_for_utf_8() -> None:
    assert parse_table(TEXT.encode("utf-16-le"), "list.csv").records == [Record(2, ROW.split(","))]


def test_an_encoding_that_cannot_be_found_out_is_named() -> None:
    table = parse_table(f"{HEADER}\nŻubr,Gwóźdź,s@zubr.example\n".encode("cp1250"), "list.csv", encoding="cp1250")
    assert table.records[0].cells[:2] == ["Żubr", "Gwóźdź"]


@pytest.mark.parametrize(
    ("content", "encoding", "sentence"),
    [
        ("é".encode(), "ascii", "list.csv isn't encoded in ascii: name another with --encoding, or none."),
        (b"x", "klingon", "'klingon' isn't an encoding of text"),
        (b"x", "base64", "'base64' isn't an encoding of text"),
        (rb"Company\ud800", "unicode_escape", "list.csv isn't encoded in unicode_escape"),
    ],
)
def test_a_wrong_encoding_is_told(content: bytes, encoding: str, sentence: str) -> None:
    assert sentence in refused(content, encoding=encoding)


# --- delimiters, quotes, lines


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_out(delimiter: str) -> None:
    table = parse_table(TEXT.replace(",", delimiter).encode(), "list.csv")
    assert (table.delimiter, table.records) == (delimiter, [Record(2, ROW.split(","))])


def test_another_delimiter_is_named() -> None:
    table = parse_table(TEXT.replace(",", "~").encode(), "list.csv", delimiter="~")
    assert table.records == [Record(2, ROW.split(","))]


def test_quoted_cells_may_hold_delimiters_and_line_breaks_and_lines_are_counted_as_an_editor_does() -> None:
    table = parse_table(f'{HEADER}\n"Nordlys, ""North""","Ingrid\nMarie",i@n.example\n{ROW}\n'.encode(), "list.csv")
    assert table.records == [
        Record(2, ['Nordlys, "North"', "Ingrid\nMarie", "i@n.example"]),
        Record(4, ROW.split(",")),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_any_system_ends_them(end: str) -> None:
    assert parse_table(TEXT.replace("\n", end).encode(), "list.csv").records == [Record(2, ROW.split(","))]


def test_blank_rows_are_no_rows() -> None:
    assert parse_table(f"{HEADER}\n\n{ROW}\n,,\n  \n".encode(), "list.csv").records == [
        Record(3, ROW.split(","), follows_gap=True)
    ]


# --- what is no table


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "list.csv is empty."),
        (b"\xef\xbb\xbf\r\n", "list.csv is empty."),
        (
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0\xff\xd9\x8d\x81\x9d" * 40,
            "isn't text in an encoding that can be found out.",
        ),
        (b'"Company,Email\n', "Line 1 can't be read as CSV (unexpected end of data)"),
        (b'Company,Email\n"open,a@b.example\n', "Line 2 can't be read as CSV (unexpected end of data)"),
        (b"Company\n" + b"x" * 200_000, "Line 2 can't be read as CSV (field larger than field limit (131072))"),
    ],
)
def test_a_file_that_is_no_table_is_told(content: bytes, sentence: str) -> None:
    assert sentence in refused(content)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "is a directory: name a file."),
        ("missing.csv", "doesn't exist."),
        ("x" * 300, "can't be read: File name too long."),
        ("nul\0.csv", "can't be read: embedded null byte."),
    ],
)
def test_a_path_that_is_no_file_is_told(name: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(CannotImport) as refusal:
        read_table(tmp_path / name)
    assert str(refusal.value).endswith(sentence)


# --- problems


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        (["a"], "line 7: it has 1 field, but the header has 2."),
        (["a", "b", "c"], "line 7: it has 3 fields, but the header has 2."),
        (["a", "b\0"], "line 7, column 'Email': It contains a NUL character, which no text has."),
    ],
)
def test_a_row_that_is_no_row_of_the_table_is_told(cells: list[str], problem: str) -> None:
    columns = Columns(["Company", "Email"], {"company": [0], "email": [1]})
    assert list(map(str, malformed(Record(7, cells), columns))) == [problem]


def test_problems_are_told_in_the_order_of_the_file_and_fifty_at_most() -> None:
    said = failure([Problem(line, "Bad.", "Email") for line in reversed(range(1_200))]).splitlines()
    assert said[:3] == [
        "Nothing was imported, because of 1,200 problems:",
        "line 0, column 'Email': Bad.",
        "line 1, column 'Email': Bad.",
    ]
    assert (len(said), said[-1]) == (52, "and 1,150 more problems.")


def test_somebodys_text_breaks_no_sentence() -> None:
    assert quoted("a\nb\x1b[2J") == r"'a\nb\x1b[2J'"
    assert len(quoted("x" * 100_000)) == 63
    assert listed(["a"] * 1_000).endswith("'a', and 960 more")
    assert plain("E-Mail Ädresse_2") == "emailadresse2"
