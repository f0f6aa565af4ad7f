"""A form of the admin site as a browser reads it from the page, and sends it."""

from html.parser import HTMLParser
from typing import Any

from access import confirmation
from audit.admin import page_versions

MARKS = {page_versions.PAGE_VERSION_FIELD, confirmation.CONFIRMATION_FIELD}

Values = dict[str, list[str]]


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.forms: list[Values] = []
        self.select: str | None = None
        self.offered: list[tuple[str, bool]] = []
        self.area: str | None = None

    def _add(self, name: str, value: str) -> None:
        if self.forms and name:
            self.forms[-1].setdefault(name, []).append(value)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = dict(attrs)
        name, value, kind = has.get("name") or "", has.get("value"), has.get("type", "text")
        match tag:
            case "form":
                self.forms.append({})
            case "input" if kind in ("checkbox", "radio"):
                if "checked" in has:
                    self._add(name, value or "on")
            case "input" if kind not in ("submit", "button", "file", "reset"):
                self._add(name, value or "")
            case "select":
                self.select, self.offered = name, []
            case "option" if self.select is not None:
                self.offered.append((value or "", "selected" in has))
            case "textarea":
                self.area = name
                self._add(name, "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "select" and self.select is not None:
            chosen = [value for value, is_selected in self.offered if is_selected]
            for value in chosen or [value for value, _ in self.offered[:1]]:
                self._add(self.select, value)
            self.select = None
        elif tag == "textarea":
            assert self.area is not None
            text = self.forms[-1][self.area][-1].removeprefix("\n")
            self.forms[-1][self.area][-1] = text.replace("\r\n", "\n").replace("\n", "\r\n")  # as browsers send it
            self.area = None

    def handle_data(self, data: str) -> None:
        if self.area is not None:
            self.forms[-1][self.area][-1] += data


def form_on(page: Any) -> Values:
    """What the page's form sends if nobody touches it."""
    reader = _Forms()
    reader.feed(page.content.decode())
    (form,) = [one for one in reader.forms if not MARKS.isdisjoint(one)]
    return form


class Tab:
    """A tab of a browser with a page of the site: opened, filled in, sent."""

    def __init__(self, browser: Any, path: str) -> None:
        self.browser, self.path = browser, path
        self.show(browser.get(path))

    def show(self, page: Any) -> None:
        self.page = page
        self.form = form_on(page)

    def send(self, button: str = "_save", **typed: Any) -> Any:
        """What wasn't typed is sent as it was shown. A page that is shown again is in the tab now."""
        values = {name: value if isinstance(value, list) else [str(value)] for name, value in typed.items()}
        answer = self.browser.post(self.path, {**self.form, **values, button: ["Save"]})
        if answer.status_code == 200 and any(mark in answer.content.decode() for mark in MARKS):
            self.show(answer)
        return answer
