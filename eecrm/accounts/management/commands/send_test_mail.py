import smtplib
import ssl
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage, get_connection
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email

from accounts.outbox import smtp
from accounts.outbox.delivery import reply_of
from api.email_addresses import normalise_address
from api.spelling import has_invisible

# The sentence for each step of a delivery: if the step was taken, and if it failed.
_STEPS = {
    smtp.CONNECT: (
        "Connected to {server}.",
        "{server} can't be reached: check EMAIL_HOST, EMAIL_PORT and the firewall.",
    ),
    smtp.GREETING: (
        "The mail server greeted.",
        "{server} didn't greet: check EMAIL_PORT and EMAIL_SECURITY, which is {security} now.",
    ),
    "EHLO": ("The mail server knows us as {ehlo}.", "{server} refused EHLO {ehlo}: check the host of PUBLIC_URL."),
    "STARTTLS": (
        "The connection is encrypted.",
        "{server} didn't begin TLS: check EMAIL_SECURITY, and the name and certificate of the server.",
    ),
    "AUTH": (
        "Logged in as {user}.",
        "{server} refused the login of {user}: check EMAIL_HOST_USER and EMAIL_HOST_PASSWORD.",
    ),
    "MAIL": ("The sender {sender} is accepted.", "{server} refused the sender {sender}: check DEFAULT_FROM_EMAIL."),
    "RCPT": ("The recipient is accepted.", "{server} refused the recipient {address}."),
    "DATA": ("The mail is sent.", "{server} refused to read the mail."),
    smtp.ACCEPT: ("", "{server} was sent the mail, and didn't accept it."),
}


class Command(BaseCommand):
    help = "Send a mail to ADDRESS, and say at which step the mail server refused it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address", metavar="ADDRESS")

    def handle(self, *args: Any, **options: Any) -> None:
        address = normalise_address(options["address"])
        try:
            validate_email(address)
        except ValidationError:
            raise CommandError(f"{options['address']} isn't an email address.") from None
        message = EmailMessage(
            "Test of the mail of Epic Events CRM",
            f"{settings.PUBLIC_URL} sent this mail with send_test_mail. Nobody needs to answer.\n",
            to=[address],
            headers={"Auto-Submitted": "auto-generated"},
        )
        if not settings.EMAIL_HOST:
            raise CommandError(f"EMAIL_HOST isn't set: each mail becomes a file in {settings.MAIL_FOLDER}.")
        self._send(get_connection(), message, address)

    def _send(self, backend: Any, message: EmailMessage, address: str) -> None:
        names = {
            "server": f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}",
            "security": settings.EMAIL_SECURITY,
            "ehlo": smtp.ehlo_name(),
            "user": settings.EMAIL_HOST_USER,
            "sender": settings.DEFAULT_FROM_EMAIL,
            "address": address,
        }
        try:
            backend.send_messages([message])
        except (OSError, smtplib.SMTPException) as error:
            failed = _failed_step(backend, error)
            self._tell([step for step in backend.steps if step != failed], names)
            raise CommandError(f"{_STEPS[failed][1].format(**names)} {_reason(error)}") from None
        self._tell(backend.steps, names)
        self.stdout.write(f"{names['server']} took the mail to {address}.")

    def _tell(self, steps: list[str], names: dict[str, str]) -> None:
        for step in steps:
            if sentence := _STEPS[step][0]:
                self.stdout.write(sentence.format(**names))


def _failed_step(backend: Any, error: Exception) -> str:
    """Returns the step that failed. A server without logins or TLS is noticed before the command is sent."""
    if type(error) in (smtplib.SMTPNotSupportedError, smtplib.SMTPException):
        return "STARTTLS" if "STARTTLS" in str(error) else "AUTH"
    is_tls = isinstance(error, ssl.SSLError) and backend.step == smtp.CONNECT
    return "STARTTLS" if is_tls else str(backend.step)


def _reason(error: Exception) -> str:
    """Returns what the mail server answered, or the error of the connection."""
    code, text = reply_of(error)
    if code:
        return f"It answered: {code} {_plain(text)}"
    if isinstance(error, TimeoutError):
        return "It took too long."
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"Its certificate can't be trusted: {error.verify_message}."
    return f"{type(error).__name__}: {_plain(str(error))}"


def _plain(text: str) -> str:
    line = " ".join(text.split())[:300]
    return "".join("?" if has_invisible(character) else character for character in line)
