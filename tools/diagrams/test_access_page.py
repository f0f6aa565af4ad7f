"""`docs/access.md` is that of the code."""

from access_page import rendered_page

from config.environment import ROOT


def test_the_page_is_written_by_the_code() -> None:
    assert (ROOT / "docs" / "access.md").read_text() == rendered_page(), "run scripts/pictures"
