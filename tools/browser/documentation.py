"""The pages about the API, as a developer of a partner sees them: on a desk and on a phone. `people.Person` ends the walk
where a page breaks the Content-Security-Policy or logs an error."""

from collections.abc import Callable
from typing import Any

from people import Person
from playwright.sync_api import Browser, Page

_SIZES = {"on a desk": (1280, 860), "on a phone": (390, 844)}


class Developer(Person):
    """Somebody who reads about the API, and tries it out."""

    def __init__(self, browser: Browser, address: str) -> None:
        super().__init__(browser, address)
        self.page.on("request", self._stay)

    def _stay(self, request: Any) -> None:
        here = request.url.startswith((self.address, "data:", "blob:"))
        assert here, f"{self.page.url} asks {request.url}"

    def read(self, told: Callable[[str, Page], None], username: str, password: str) -> None:
        for where, (width, height) in _SIZES.items():
            self.page.set_viewport_size({"width": width, "height": height})
            self._open("docs/", ".opblock-tag")
            told(f"The page to try the API out, {where}.", self.page)
            self._open("docs/redoc/", "[data-section-id]")
            told(f"The reference, {where}.", self.page)
        self.page.set_viewport_size({"width": 1280, "height": 860})
        self._try_out(told, self.token(username, password))

    def _open(self, path: str, sign: str) -> None:
        self.page.goto(f"{self.address}/api/v1/{path}")
        self.page.wait_for_selector(sign)
        wide = self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
        assert not wide, f"{path} is wider than the window"

    def _try_out(self, told: Callable[[str, Page], None], token: str) -> None:
        self._open("docs/", ".opblock-tag")
        self.page.click(".btn.authorize")
        self.page.fill(".auth-container input", token)
        told("The token goes into Authorize.", self.page)
        self.page.click(".auth-btn-wrapper .authorize")
        self.page.click(".auth-btn-wrapper .btn-done")
        told_by = {"me_get": "oc-salesman", "clients_list": '"results"'}
        for operation, sign in told_by.items():
            self._execute(operation, sign)
            told(f"{operation} answers, with nothing but what was typed.", self.page)

    def _execute(self, operation: str, sign: str) -> None:
        tag = operation.partition("_")[0]
        self.page.click(f"#operations-tag-{tag}")
        self.page.click(f"#operations-{tag}-{operation} .opblock-summary-control")
        self.page.click(f"#operations-{tag}-{operation} .execute")
        answer = self.page.wait_for_selector(f"#operations-{tag}-{operation} .live-responses-table")
        assert answer and sign in answer.inner_text(), operation
