"""Tests the API's documentation pages in a browser, at desktop and phone size.

`people.Person` raises AssertionError if a page breaks the Content-Security-Policy or logs an error.
"""

from collections.abc import Callable
from typing import Any

from people import Person
from playwright.sync_api import Browser, Page

_VIEWPORTS = {"on a desk": (1280, 860), "on a phone": (390, 844)}


# Sends a change with a reason by `fetch`: plain, which browsers refuse, and as docs/api.md shows it.
_SEND_REASON = """async ([url, token, reason]) => {
  const headers = {"Authorization": `Bearer ${token}`, "Content-Type": "application/json"};
  const body = JSON.stringify({name: "Sent by fetch"});
  const send = (value) => fetch(url, {method: "PATCH", headers: {...headers, "X-Change-Reason": value}, body});
  const plain = await send(reason).catch((error) => error.name);
  const encoded = await send("UTF-8''" + encodeURIComponent(reason));
  const history = await (await fetch(`${url}history/`, {headers})).json();
  return {plain, status: encoded.status, kept: history.results[0].reason};
}"""
_REASON = "Il n'a pas été payé : 500 € (l'acompte)"


class Developer(Person):
    """A developer who reads the documentation pages and sends API requests from them."""

    def __init__(self, browser: Browser, address: str) -> None:
        super().__init__(browser, address)
        self.page.on("request", self._check_request)

    def _check_request(self, request: Any) -> None:
        is_local = request.url.startswith((self.address, "data:", "blob:"))
        assert is_local, f"{self.page.url} asks {request.url}"

    def read(self, step: Callable[[str, Page], None], username: str, password: str) -> None:
        for where, (width, height) in _VIEWPORTS.items():
            self.page.set_viewport_size({"width": width, "height": height})
            self._open("docs/", ".opblock-tag")
            step(f"The page to try the API out, {where}.", self.page)
            self._open("docs/redoc/", "[data-section-id]")
            step(f"The reference, {where}.", self.page)
        self.page.set_viewport_size({"width": 1280, "height": 860})
        self._try_out(step, self.token(username, password))

    def send_reason(self, url: str, token: str) -> None:
        """Changes the object at this URL with a reason that has letters beyond Latin-1."""
        found = self.page.evaluate(_SEND_REASON, [url, token, _REASON])
        assert found == {"plain": "TypeError", "status": 200, "kept": _REASON}, found

    def _open(self, path: str, selector: str) -> None:
        self.page.goto(f"{self.address}/api/v1/{path}")
        self.page.wait_for_selector(selector)
        is_too_wide = self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
        assert not is_too_wide, f"{path} is wider than the window"

    def _try_out(self, step: Callable[[str, Page], None], token: str) -> None:
        self._open("docs/", ".opblock-tag")
        self.page.click(".btn.authorize")
        self.page.fill(".auth-container input", token)
        step("The token goes into Authorize.", self.page)
        self.page.click(".auth-btn-wrapper .authorize")
        self.page.click(".auth-btn-wrapper .btn-done")
        expected = {"me_get": "oc-salesman", "clients_list": '"results"'}
        for operation, text in expected.items():
            self._execute(operation, text)
            step(f"{operation} answers, with nothing but what was typed.", self.page)

    def _execute(self, operation: str, text: str) -> None:
        tag = operation.partition("_")[0]
        self.page.click(f"#operations-tag-{tag}")
        self.page.click(f"#operations-{tag}-{operation} .opblock-summary-control")
        self.page.click(f"#operations-{tag}-{operation} .execute")
        answer = self.page.wait_for_selector(f"#operations-{tag}-{operation} .live-responses-table")
        assert answer and text in answer.inner_text(), operation
