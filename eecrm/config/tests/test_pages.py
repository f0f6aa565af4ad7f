"""The pages for readers: their links lead somewhere, their lines are short, and decisions and figures are the recorded ones."""

import re
from functools import cache
from pathlib import Path

import pytest

from config.environment import ROOT

# docs/access.md is written by the code, CHANGELOG.md is a record.
PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/adr/*.md")} - {
    ROOT / "CHANGELOG.md", ROOT / "docs" / "access.md"
})  # fmt: skip
LINKING = [*PAGES, ROOT / "docs" / "access.md", *ROOT.glob("benchmarks/*.md"), *ROOT.glob("examples/*.md")]
RECORDS = sorted(ROOT.glob("docs/adr/[0-9]*.md"))
FIRST_WORDS = r"(?:What|Whose|Whoever|Whether|Where|How)\b"
HEADINGS = ["Context", "Decision", "Consequences"]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    """Without blocks of code and without addresses of links."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"\]\([^)]*\)", "]", re.sub(r"^    .*$", "", text, flags=re.MULTILINE))


@cache
def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", LINKING, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        if not target.startswith("https://"):
            file = page.parent / path if path else page
            assert file.exists(), target
            assert not anchor or anchor in anchors(file.resolve()), target


@pytest.mark.parametrize("page", LINKING, ids=name)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    """In backticks, from the root of the project, from eecrm/ or from the page's own folder."""
    folders = (ROOT, ROOT / "eecrm", page.parent)
    for path in re.findall(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|sql|ini|md|yaml|json|ts))`", page.read_text()):
        assert any((folder / path).exists() for folder in folders), path


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_lines_fit_on_a_screen(page: Path) -> None:
    assert [line for line in page.read_text().splitlines() if len(line) > 120] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_sentences_begin_with_their_subject(page: Path) -> None:
    assert re.findall(rf"(?:^|[.!?:|] |^[-*#|] )[*_[(\"]*({FIRST_WORDS}.*)", prose(page), re.MULTILINE) == []


@pytest.mark.parametrize("record", RECORDS, ids=name)
def test_a_decision_keeps_to_the_template(record: Path) -> None:
    text = record.read_text()
    head = rf"# {int(record.name[:4])}\. .+\n\nStatus: (accepted|superseded by \[ADR \d+\]\(.+\))\n\nDate: \d{{4}}-\d\d-\d\d\n"
    assert re.match(head, text)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS


def test_the_index_lists_each_decision_with_its_status_and_date() -> None:
    index = (ROOT / "docs" / "adr" / "README.md").read_text()
    rows = re.findall(r"^\| \[(\d+)\] \| (.+) \| (.+) \| (.+) \|$", index, re.MULTILINE)
    files = re.findall(r"^\[(\d+)\]: (.+)$", index, re.MULTILINE)
    recorded = []
    for record in RECORDS:
        found = re.match(r"# (\d+)\. (.+)\n\nStatus: (.+)\n\nDate: (.+)\n", record.read_text())
        assert found, record.name
        number, title, status, date = found.groups()
        recorded.append((number, title, status, date))
    assert rows == recorded
    assert files == [(str(int(record.name[:4])), record.name) for record in RECORDS]


def test_the_figures_are_those_of_the_last_run() -> None:
    """Of `scripts/bench`, which writes results.md."""
    page = (ROOT / "docs" / "performance.md").read_text()
    results = (ROOT / "benchmarks" / "results.md").read_text().split("\n\n")
    shown = page.partition("test_pages.py -->\n")[2].partition("\n<!-- end of figures")[0]
    assert shown == results[2], "copy the first table of benchmarks/results.md into docs/performance.md"
    where = results[1].partition(", Django ")[0]
    assert where in " ".join(page.split())
    ratio = re.search(r"^\| list \| (?:.+?) \| .+?\(× ([\d.]+)\)", shown, re.MULTILINE)
    assert ratio and f"A list costs {float(ratio[1]):.1f} times the processor time" in (ROOT / "README.md").read_text()


# The columns of the second table of results.md, and whether more is better.
MEASURED = {
    "requests a second": (2, True), "server time": (4, False), "database time": (6, False),
    "server and database time": (8, False), "p50": (9, False), "p99": (11, False),
}  # fmt: skip
OURS, FLOOR = "this project", "the floor"


def lost() -> list[tuple[str, str, str, str]]:
    """Figure, ours, the best one of the others and whose it is, wherever ours isn't the best; the floor takes no part."""
    operations: dict[str, dict[str, list[str]]] = {}
    memory: dict[str, dict[str, list[str]]] = {"memory of the largest worker (RSS)": {}}
    for line in (ROOT / "benchmarks" / "results.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 14 and cells[0] and cells[1] != FLOOR and not cells[0].startswith("-"):
            operations.setdefault(cells[0], {})[cells[1]] = cells
        elif len(cells) == 5 and cells[0] in (OURS, "FastAPI + SQLAlchemy", "Django REST framework"):
            memory["memory of the largest worker (RSS)"][cells[0]] = cells
    found = []
    asked = [(f"{name}, {what}", rows, *how) for name, rows in operations.items() for what, how in MEASURED.items()]
    for figure, rows, column, more in [*asked, *((name, rows, 1, False) for name, rows in memory.items())]:
        others = [one for one in rows if one != OURS]
        best = (max if more else min)(others, key=lambda one: float(rows[one][column]))
        ours, theirs = rows[OURS][column], rows[best][column]
        if float(ours) != float(theirs) and (float(ours) < float(theirs)) == more:
            found.append((figure, ours, theirs, best))
    return found


def test_the_figures_that_are_worse_are_those_of_the_last_run() -> None:
    page = (ROOT / "docs" / "performance.md").read_text()
    section = page.partition("## Slower than the others")[2].partition("\n## ")[0]
    stated = re.findall(r"^\| (?!figure|---)(.+?) \| (.+?) \| (.+?) \((.+)\) \|$", section, re.MULTILINE)
    units = [re.sub(r"^× | (ms|MiB)$", "", number) for _, ours, theirs, _ in stated for number in (ours, theirs)]
    assert [
        (figure, *pair, whose) for (figure, _, _, whose), pair in zip(stated, zip(units[::2], units[1::2]))
    ] == lost()


def test_the_python_example_is_quoted_word_for_word() -> None:
    example = (ROOT / "examples" / "workflow.py").read_text()
    quoted = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "api.md").read_text(), re.DOTALL)
    assert quoted
    for lines in quoted:
        assert lines.strip() in example
