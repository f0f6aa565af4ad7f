"""Tests the API's documentation pages, and the life of an account from invitation to deactivation, in a browser.

A manager and the owner of the account work in the browser. The tests also send some requests directly to the API.
"""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from chromium import chromium
from documentation import Developer
from own_server import running
from people import Manager, Person
from playwright.sync_api import Browser, Page
from sent_mail import HOME

PASSWORD = "Epic-Events-2026!"  # password of all demo accounts
CHOSEN = "correct horse battery staple"
NEWCOMER = {"username": "nina.brandt", "first_name": "Nina", "last_name": "Brandt", "email": "nina@epic-events.example"}


class Story:
    """Runs the steps of the browser test. Each step prints a sentence, and saves a screenshot of the page."""

    def __init__(self, browser: Browser, address: str, pages: Path) -> None:
        self.address, self.pages, self.taken = address, pages, 0
        self.manager = Manager(browser, address)
        self.nina = Person(browser, address)
        self.developer = Developer(browser, address)

    def step(self, sentence: str, page: Page | None = None) -> None:
        self.taken += 1
        print(f"{self.taken:2}. {sentence}", flush=True)
        if page is not None:
            page.screenshot(path=self.pages / f"{self.taken:02}.png", full_page=True)

    def play(self) -> None:
        self.developer.read(self.step, "oc-salesman", PASSWORD)
        self.check_honeypot()
        self.manager.log_in("oc-manager", PASSWORD)
        self.step("A manager logs in with a password, and is led to a second factor.", self.manager.page)
        self.manager.set_up_second_factor(PASSWORD, lambda: self.step("The QR code is shown.", self.manager.page))
        self.step("It is set up with a code of the app; ten recovery codes are shown once.", self.manager.page)
        self.manager.confirm_recovery_codes()
        self.manager.invite(NEWCOMER | {"role": "sales"})
        self.step("The manager adds an account, without touching a password.", self.manager.page)
        self.nina.choose_password(
            NEWCOMER["email"], CHOSEN, lambda: self.step("The mail's link opens.", self.nina.page)
        )
        self.step("Its owner chooses a password by the link that was mailed.", self.nina.page)
        self.nina.refuse_used_link()
        self.step("The link works once.", self.nina.page)
        token = self.nina.token(NEWCOMER["username"], CHOSEN)
        contract = self.contract_of_a_colleague()
        assert self.nina.call("PATCH", contract, token, {"name": "Taken over"}).status == 403
        self.step("The newcomer logs in to the API, and may not touch a colleague's contract.")
        self.manager.lend("oc-salesman", NEWCOMER["username"], until=datetime.now(UTC) + timedelta(days=14))
        self.step("The manager lends the colleague's own to the newcomer, until a date.", self.manager.page)
        assert self.nina.call("PATCH", contract, token, {"name": "Looked after"}).status == 200
        permissions = self.nina.call("GET", f"{self.address}/api/v1/users/me/permissions/", token).json()
        assert [cover["name"] for cover in permissions["covering"]] == ["Julien Moreau"]
        self.step("Now the contract may be changed, and the permissions say as whose cover.")
        self.change_role_and_leave(contract, token)

    def change_role_and_leave(self, contract: str, token: str) -> None:
        self.manager.change_account(NEWCOMER["username"], role="support")
        assert self.nina.call("GET", contract, token).status == 401
        self.step("A change of role ends the tokens at once.", self.manager.page)
        token = self.nina.token(NEWCOMER["username"], CHOSEN)
        assert self.nina.call("PATCH", contract, token, {"name": "Again"}).status == 403
        self.step("The new role may not do what the old one did, and the cover is over.")
        self.manager.change_account(NEWCOMER["username"], is_active=False)
        assert self.nina.call("GET", contract, token).status == 401
        assert self.nina.token(NEWCOMER["username"], CHOSEN, status=401) == ""
        self.step("A deactivated account is out at once, and doesn't get in again.", self.manager.page)
        self.manager.log_out()
        self.manager.log_in("oc-manager", PASSWORD)
        self.manager.use_recovery_code()
        self.step("A manager without the phone gets in with a recovery code.", self.manager.page)

    def check_honeypot(self) -> None:
        page = self.nina.page
        page.goto(f"{self.address}/admin/")
        assert page.title() == "Log in | Django site admin", page.title()
        page.fill("#id_username", "admin")
        page.fill("#id_password", "guess")
        page.click("input[type=submit]")
        assert "Epic" not in page.content()
        self.step("/admin/ is a honeypot.", page)

    def contract_of_a_colleague(self) -> str:
        token = self.nina.token("oc-salesman", PASSWORD)
        rows = self.nina.call("GET", f"{self.address}/api/v1/contracts/?mine=true", token).json()["results"]
        drafts: list[Any] = [row["url"] for row in rows if row["status"] == "draft"]
        return str(drafts[0])


def main(*arguments: str) -> int:
    pages = Path(arguments[0]) if arguments else HOME / "pages"
    # The test requires a second factor, as production does. By default, a developer's machine requires none.
    with running(HOME, SECOND_FACTOR="required") as server, chromium() as browser:
        pages.mkdir(parents=True, exist_ok=True)
        Story(browser, server.address, pages).play()
    print(f"The pages are in {pages}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
