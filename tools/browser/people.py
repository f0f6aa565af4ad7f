"""The users in the browser tests. Each method does in a browser what a user would do.

A method raises AssertionError if a page breaks the Content-Security-Policy or logs an error.
"""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from playwright.sync_api import APIResponse, Browser, Page
from sent_mail import link_in_mail


class Person:
    """A user with a separate browser context, so that users don't share cookies."""

    def __init__(self, browser: Browser, address: str) -> None:
        self.address = address
        self.page: Page = browser.new_context(viewport={"width": 1280, "height": 860}).new_page()
        self.link = ""
        self.page.on("console", self._check_console)

    def _check_console(self, message: Any) -> None:
        # Chromium logs a 400 or 404 to the console, as "Failed to load resource". Some steps expect such answers.
        if message.type == "error" and "Failed to load resource" not in message.text:
            raise AssertionError(f"{self.page.url}: {message.text}")

    def call(self, method: str, url: str, token: str = "", body: Any = None) -> APIResponse:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.page.request.fetch(url, method=method, headers=headers, data=body)

    def token(self, username: str, password: str, *, status: int = 200) -> str:
        login = {"username": username, "password": password}
        answer = self.call("POST", f"{self.address}/api/v1/users/login/", body=login)
        assert answer.status == status, answer.text()
        return str(answer.json().get("access", ""))

    def choose_password(self, email: str, password: str, opened: Callable[[], None]) -> None:
        self.link = link_in_mail(email)
        self.page.goto(self.link)
        opened()
        self._submit_password("password1234")
        self.page.wait_for_selector("text=too common")
        self._submit_password(password)
        self.page.wait_for_url("**/account/password/done/")

    def refuse_used_link(self) -> None:
        answer = self.page.goto(self.link)
        assert answer and answer.status == 404

    def _submit_password(self, password: str) -> None:
        self.page.fill("#id_new_password1", password)
        self.page.fill("#id_new_password2", password)
        self.page.click("[type=submit]")


class Manager(Person):
    """A manager who uses the admin site and has an authenticator app for the second factor."""

    def __init__(self, browser: Browser, address: str) -> None:
        super().__init__(browser, address)
        self.site = f"{address}/hidden-admin/"
        self.secret = ""
        self.recovery_codes: list[str] = []

    def log_in(self, username: str, password: str) -> None:
        self.page.goto(self.site)
        self.page.fill("#id_username", username)
        self.page.fill("#id_password", password)
        self.page.click("[type=submit]")
        self.page.wait_for_url("**/second-factor/**")

    def log_out(self) -> None:
        self.page.click("#logout-form button")
        self.page.wait_for_selector("text=Log in again")

    def set_up_second_factor(self, password: str, shown: Callable[[], None]) -> None:
        self.secret = self.page.inner_text(".secret")
        shown()
        self.page.fill("#id_new_code", _code(self.secret))
        self.page.fill("#id_password", password)
        self.page.click(".submit-row button")
        self.page.wait_for_selector(".recovery-codes")
        self.recovery_codes = self.page.locator(".recovery-codes code").all_inner_texts()
        assert len(self.recovery_codes) == 10

    def confirm_recovery_codes(self) -> None:
        self.page.click("text=I have kept them")
        self.page.wait_for_url(self.site)

    def use_recovery_code(self) -> None:
        self.page.fill("#id_code", self.recovery_codes[0])
        self.page.click(".submit-row button")
        self.page.wait_for_url(self.site)

    def invite(self, fields: dict[str, str]) -> None:
        self.page.goto(f"{self.site}accounts/user/add/")
        assert not self.page.locator("input[type=password]").count()
        for name, value in fields.items():
            choose = self.page.select_option if name == "role" else self.page.fill
            choose(f"#id_{name}", value)
        self._save()

    def lend(self, colleague: str, substitute: str, *, until: datetime) -> None:
        self.page.goto(f"{self.site}accounts/cover/add/")
        self.page.select_option("#id_colleague", label=colleague)
        self.page.select_option("#id_substitute", label=substitute)
        self.page.fill("#id_ends_at_0", f"{until:%Y-%m-%d}")
        self.page.fill("#id_ends_at_1", f"{until:%H:%M:%S}")
        self.page.fill("#id_reason", "Parental leave")
        self._save()

    def change_account(self, username: str, *, role: str = "", is_active: bool = True) -> None:
        self.page.goto(f"{self.site}accounts/user/?q={username}")
        self.page.click(f"th.field-username >> text={username}")
        if role:
            self.page.select_option("#id_role", role)
        self.page.set_checked("#id_is_active", is_active)
        self._save()

    def _save(self) -> None:
        self.page.click("[name=_save]")
        self.page.wait_for_selector(".messagelist .success")


def _code(secret: str) -> str:
    """Returns the code that an authenticator app shows now for this secret (RFC 6238).

    Waits for the next code if the current code expires in less than 3 seconds.
    """
    from base64 import b32decode

    from django_otp.oath import totp

    seconds_left = 30 - time.time() % 30
    if seconds_left < 3:
        time.sleep(seconds_left)
    return f"{totp(b32decode(secret.replace(' ', ''))):06}"
