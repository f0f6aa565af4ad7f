"""What no client library sends, to a real gunicorn as it is configured for production: one clear answer each, and no error of ours."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Thread

from django.db import connection

from access.database import acting_as
from access.policy import Role
from accounts.login import tokens
from clients.models import Client
from config.environment import ROOT
from conftest import PATIENCE, World


@contextmanager
def gunicorn(log: Path, **variables: str) -> Iterator[int]:
    """The port of a server with one worker, so that one that hangs is noticed."""
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    environment = os.environ | {
        "PG_DATABASE": connection.settings_dict["NAME"], "PORT": str(port), "WEB_CONCURRENCY": "1"
    } | variables  # fmt: skip
    command = [sys.executable, "-m", "gunicorn", "--config", str(ROOT / "deploy" / "gunicorn.conf.py")]
    with log.open("w") as file, subprocess.Popen(command, env=environment, stdout=file, stderr=file) as process:
        try:
            deadline = time.monotonic() + PATIENCE
            while not is_alive(port):
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
            yield port
        finally:
            process.terminate()


def exchange(port: int, sent: bytes, *, ends: bool = False) -> list[int]:
    """The statuses of all answers, until the server closes; `ends` closes our half after the last byte."""
    answer = b""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)) as line:
        try:
            line.sendall(sent)
            if ends:
                line.shutdown(socket.SHUT_WR)
            while part := line.recv(65_536):
                answer += part
        except ConnectionError:
            pass  # it has closed with bytes of ours unread
        except TimeoutError:
            return []  # it waits for more, where it should have answered
    return [int(status) for status in re.findall(rb"(?m)^HTTP/1\.[01] (\d{3})", answer)]


def is_one_of(statuses: list[int], expected: set[int]) -> bool:
    return len(statuses) == 1 and statuses[0] in expected


def is_alive(port: int) -> bool:
    try:
        return exchange(port, b"GET /health/live/ HTTP/1.1\r\nHost: localhost\r\n\r\n") == [200]
    except OSError:
        return False


def get(path: bytes = b"/health/live/", *lines: bytes) -> bytes:
    return b"\r\n".join([b"GET " + path + b" HTTP/1.1", b"Host: localhost", *lines, b"", b""])


def post(path: bytes, content_type: bytes, body: bytes) -> bytes:
    """With a cookie, without which no form is read, and without the token that goes with it."""
    lines = [b"Cookie: csrftoken=%s; eecrm_csrf=%s" % (b"a" * 32, b"a" * 32), b"Content-Type: " + content_type]
    return get(path, *lines, b"Content-Length: %d" % len(body)).replace(b"GET", b"POST", 1) + body


def parts(header: bytes) -> bytes:
    return b"--x\r\nContent-Disposition: form-data; " + header + b"\r\n\r\nabc\r\n--x--\r\n"


FORM, PARTS = b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x"
HEALTHY = get()
STRANGE = {
    "no HTTP at all": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n", {400}),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}),
    "HTTP/0.9": (b"GET /health/live/\r\n\r\n", {400, 505}),
    "no host": (b"GET /health/live/ HTTP/1.1\r\n\r\n", {400, 200}),
    "an unknown host": (b"GET /api/v1/ HTTP/1.1\r\nHost: evil.example\r\n\r\n", {400}),
    "two hosts": (get(b"/api/v1/", b"Host: evil.example"), {400}),
    "NUL in a header": (get(b"/api/v1/", b"X-Request-ID: a\x00b"), {400}),
    "a bare line feed": (get(b"/api/v1/", b"X-Request-ID: a\nX-Evil: b"), {400, 200}),
    "a bare carriage return": (get(b"/api/v1/", b"X-Request-ID: a\rX-Evil: b"), {400}),
    "a folded header": (get(b"/api/v1/", b"X-Request-ID: a\r\n b"), {400}),
    "a space before the colon": (get(b"/api/v1/", b"Transfer-Encoding : chunked"), {400}),
    "an underscore for a hyphen": (get(b"/api/v1/", b"X_Change_Reason: \xff"), {200, 400}),
    "a header without a name": (get(b"/api/v1/", b": x"), {400}),
    "bytes beyond ASCII": (get(b"/api/v1/", b"X-Change-Reason: \xff\xfe"), {400}),
    "a reason in UTF-8": (get(b"/api/v1/", "X-Change-Reason: Größe".encode()), {200}),
    "a header of 64 KiB": (get(b"/api/v1/", b"X-Long: " + b"a" * 65_536), {400, 431}),
    "a thousand headers": (get(b"/api/v1/", *(b"X-%d: 1" % number for number in range(1_000))), {400, 431}),
    "a path of 64 KiB": (get(b"/" + b"a" * 65_536), {400, 414}),
    **{
        f"the charset {charset}": (get(b"/nothing/?x=%E9", b"Content-Type: a/b; charset=" + charset.encode()), {404})
        for charset in ("rot13", "idna", "punycode", "zlib", "utf-16", "undefined", '"\\""')
    },
    "a charset of a parameter": (get(b"/nothing/", b"Content-Type: text/plain; a*=nosuch''%E9"), {404}),
    "many parameters and a charset": (get(b"/nothing/?" + b"a&" * 1_500, b"Content-Type: a/b; charset=utf-8"), {404}),
    **{
        f"the Content-Type {content_type[:30]!r}": (get(b"/nothing/", b"Content-Type: " + content_type), {404})
        for content_type in (b"a/b;x* =nope''a", b"a/b; x*0=a; x* =b", b"a/b; x*" + b"9" * 5_000 + b"=a", b"a/b" + b";" * 8_000)
    },
    "a Content-Type for no body": (post(b"/api/v1/users/login/", b"application/json; x*=nope''a", b""), {400}),
    "a Content-Type for a body": (post(b"/api/v1/users/login/", b"application/json; x*=nope''a", b"{}"), {415}),
    **{
        f"a form in {charset!r}": (post(b"/account/forgotten/", FORM + b"; charset=" + charset, b"account=abc"), {415})
        for charset in (b"latin1", b"rot13", b"x")
    },
    "a form": (post(b"/account/forgotten/", FORM, b"account=abc"), {403}),
    "a form in parts": (post(b"/account/forgotten/", PARTS, parts(b"name=a")), {415}),
    "a login in parts": (post(b"/hidden-admin/login/", PARTS, parts(b"x*0=a; x*=b")), {415}),
    "a form in parts for the decoy": (post(b"/admin/login/", PARTS, parts(b"name=a")), {403}),
    "a charset in a part": (post(b"/admin/login/", PARTS, parts(b"x*0=a; x*=b")), {400}),
    "a charset in a part of a file": (post(b"/hidden-admin/accounts/user/import/", PARTS, parts(b"name*=nope''a")), {400}),
    "a form that can't be read": (post(b"/admin/login/", PARTS, b"abc"), {403}),
    "a form of no known type": (post(b"/admin/login/", b"a/b; x*=nope''a", b"abc"), {403}),
    "many fields": (post(b"/account/forgotten/", FORM, b"a&" * 1_500), {400}),
    "cookies of backslashes": (get(b"/account/forgotten/", b'Cookie: a="' + b"\\1" * 4_000, *[b"Cookie: " + b"\\1" * 4_000] * 9, b'Cookie: "'), {200}),
    "bytes in a path": (get(b"/api/v1/\xff\xfe/"), {400, 404}),
    "NUL in a path": (get(b"/api/v1/%00/\x00"), {400, 404}),
    "an absolute address": (get(b"http://evil.example/api/v1/"), {200, 400, 404}),
    "an asterisk": (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", {400, 404}),
    "CONNECT": (b"CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n", {400, 404, 405}),
    "a strange method": (b"G\x00T / HTTP/1.1\r\nHost: localhost\r\n\r\n", {400}),
    "both lengths": (get(b"/api/v1/", b"Content-Length: 5", b"Transfer-Encoding: chunked") + b"0\r\n\r\n" + HEALTHY, {400}),
    "two lengths": (get(b"/api/v1/", b"Content-Length: 5", b"Content-Length: 6") + b"hello!", {400}),
    "a list of lengths": (get(b"/api/v1/", b"Content-Length: 5, 5") + b"hello", {400}),
    "a negative length": (get(b"/api/v1/", b"Content-Length: -1"), {400}),
    "a length with a sign": (get(b"/api/v1/", b"Content-Length: +5") + b"hello", {400}),
    "a length in words": (get(b"/api/v1/", b"Content-Length: five") + b"hello", {400}),
    "two codings": (get(b"/api/v1/", b"Transfer-Encoding: chunked, identity") + b"0\r\n\r\n" + HEALTHY, {400, 501}),
    "another coding": (get(b"/api/v1/", b"Transfer-Encoding: xchunked") + b"0\r\n\r\n" + HEALTHY, {400, 501}),
    "two requests at once": (HEALTHY + HEALTHY, {200}),
    "a body that nobody reads": (get(b"/health/live/", b"Content-Length: 5") + b"hello" + HEALTHY, {200}),
}  # fmt: skip


def test_one_answer_to_each_strange_request(committed_world: World, tmp_path: Path) -> None:
    log = tmp_path / "log"
    token = tokens.log_in(committed_world.users["management"]).access.encode()
    address = b"/api/v1/clients/%d/" % committed_world.own_client.pk
    patch = (
        b"PATCH " + address + b" HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + token + b"\r\nContent-Type: application/json\r\n"
    )  # fmt: skip
    body = b'{"company_name": "Changed"}'
    with gunicorn(log) as port:
        answered = {name: exchange(port, sent) for name, (sent, _) in STRANGE.items()}
        strangely = {name: statuses for name, statuses in answered.items() if not is_one_of(statuses, STRANGE[name][1])}
        assert not strangely
        assert is_alive(port)
        # A body of unknown length is refused, not lost; one that ends too soon changes nothing.
        chunked = patch + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        assert exchange(port, chunked + HEALTHY) == [411]
        assert exchange(port, patch + b"Content-Length: 1000\r\n\r\n" + body[:-1], ends=True) == [400]
        assert stored(committed_world) == ("Own Company", 1)
        # What follows a body is no second request.
        assert exchange(port, patch + b"Content-Length: %d\r\n\r\n" % len(body) + body + HEALTHY) == [200]
        assert stored(committed_world) == ("Changed", 2)
        # Who doesn't wait for the answer leaves no error behind.
        with closing(socket.create_connection(("127.0.0.1", port))) as line:
            line.sendall(patch + b"Content-Length: 1000\r\n\r\n" + body[:5])
        assert is_alive(port)
    assert "unforeseen" not in log.read_text()


def stored(world: World) -> tuple[str, int]:
    with acting_as(Role.SUPERUSER):
        found = Client.objects.get(pk=world.own_client.pk)
    return found.company_name, found.version


@contextmanager
def relay() -> Iterator[tuple[int, Callable[[], None]]]:
    """A port that leads to PostgreSQL, until it is called off."""
    settings = connection.settings_dict
    lines = [socket.create_server(("127.0.0.1", 0))]

    def pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while part := source.recv(65_536):
                target.sendall(part)
            target.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with suppress(OSError):  # the end of it
            while True:
                near, _ = lines[0].accept()
                far = socket.create_connection((settings["HOST"], int(settings["PORT"])))
                lines.extend((near, far))
                for ends in ((near, far), (far, near)):
                    Thread(target=pump, args=ends, daemon=True).start()

    def call_off() -> None:
        for line in lines:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()

    Thread(target=accept, daemon=True).start()
    try:
        yield lines[0].getsockname()[1], call_off
    finally:
        call_off()


def test_a_worker_that_dies_while_the_database_is_away_is_replaced(committed_world: World, tmp_path: Path) -> None:
    log = tmp_path / "log"

    def workers() -> list[int]:
        return [int(pid) for pid in re.findall(r"Booting worker with pid: (\d+)", log.read_text())]

    with relay() as (port_of_database, call_off), gunicorn(log, PG_PORT=str(port_of_database)) as port:
        assert exchange(port, get(b"/health/ready/", b"Connection: close")) == [200]
        call_off()
        deadline = time.monotonic() + PATIENCE  # what was found before counts for a second
        while exchange(port, get(b"/health/ready/", b"Connection: close")) != [503] and time.monotonic() < deadline:
            time.sleep(0.1)
        assert exchange(port, get(b"/health/ready/", b"Connection: close")) == [503]
        os.kill(workers()[-1], signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE
        while len(workers()) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert is_alive(port), log.read_text()[-1_000:]
        assert exchange(port, get(b"/health/ready/", b"Connection: close")) == [503]
