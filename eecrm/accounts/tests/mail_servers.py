"""Mail servers for tests, which behave as mail servers do: slow, strict, refusing, dying."""

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email import message_from_bytes
from email.message import Message
from typing import Any

# Answers of a server that takes each mail. ACCEPT is the answer to the final dot.
ANSWERS = {
    "CONNECT": "220 test",
    "EHLO": "250-test\r\n250 AUTH PLAIN",
    "AUTH": "235 2.7.0 welcome",
    "DATA": "354 go on",
    "ACCEPT": "250 2.0.0 taken",
    "QUIT": "221 bye",
}

# Returns the answer to one step, with the text of the command or mail. Returns None to hang up, and "" for the usual
# answer.
Answer = Callable[[str, str], str | None]


class _Connection(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        with suppress(OSError):
            if not self._answer("CONNECT"):
                return
            for line in self.rfile:
                step = line[:4].upper().decode()
                answer = self._answer(step, line.decode(errors="replace").strip())
                if not answer or step == "QUIT" or (answer.startswith("354") and not self._read_mail()):
                    return

    def _read_mail(self) -> bool:
        content = b""
        while not content.endswith(b"\r\n.\r\n"):
            content += (line := self.rfile.readline())
            if not line:
                return False
        return bool(self._answer("ACCEPT", content.decode(errors="replace")))

    def _answer(self, step: str, text: str = "") -> str:
        """Answers one step. Returns the answer, or "" if the server hangs up."""
        server: Any = self.server
        server.steps.append(step)
        answer = server.answer(step, text)
        if answer is None:
            return ""
        answer = answer or ANSWERS.get(step, "250 ok")
        if step == "ACCEPT" and answer.startswith("2"):
            server.received.append(message_from_bytes(text.encode()))
        self.wfile.write(f"{answer}\r\n".encode())
        return answer


class MailServer(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.answer: Answer = lambda step, text: ""
        self.received: list[Message] = []  # mails that the server has taken
        self.steps: list[str] = []  # first words of the commands, of all connections

    @property
    def message_ids(self) -> list[str]:
        return [str(mail["Message-ID"]) for mail in self.received]


@contextmanager
def mail_server() -> Iterator[MailServer]:
    with MailServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def send_through(server: socketserver.TCPServer, settings: Any) -> None:
    settings.EMAIL_BACKEND = "accounts.outbox.smtp.LimitedBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = server.server_address
    settings.EMAIL_SECURITY = "none"
    settings.EMAIL_USE_TLS, settings.EMAIL_USE_SSL = False, False
