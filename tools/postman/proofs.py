"""Checks, with Newman, the error sentences that Postman users see.

For example, a user sends a request before another request that it needs, or enters a wrong web address of the server.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer

import collection
import newman
import results
from stories.rate_limit import RATE_LIMIT

_FIRST = "1. Sales adds a prospect"
_WITHOUT_TOKEN = "401: no token"
_CLOSED = "http://127.0.0.1:9/api/v1"  # nothing listens on port 9, which belongs to the obsolete service "discard"


@dataclass(frozen=True)
class Proof:
    """A proof that the collection fails as it should: Newman runs some `parts` of the collection, and tests must fail.

    The message of each failed test must contain `sentence`. Only the requests in `sent` may reach the server.
    """

    title: str
    parts: tuple[str, ...]
    sentence: str
    variables: dict[str, str] = field(default_factory=dict)
    environment: str = collection.LOCAL_ENVIRONMENT
    kept: dict[str, str] = field(default_factory=dict)
    sent: tuple[str, ...] = ()

    def faults(self) -> list[str]:
        run = newman.send(*self.parts, environment=self.environment, kept=self.kept, **self.variables)
        sentences = results.sentences(run)
        faults = [f"another sentence: {sentence}" for sentence in sentences if self.sentence not in sentence]
        if not sentences:
            faults.append(f"no failed test says: {self.sentence}")
        return faults + [f"{name} was sent" for name in results.sent(run) if name not in self.sent]


def failures(server: str) -> int:
    """Runs all proofs (runs that must fail as expected). Returns the number of proofs with another result.

    `server` is a server's web address, without a path.
    """
    with _web_page() as page:
        failed = 0
        for proof in _proofs(server, page):
            faults = proof.faults()
            failed += bool(faults)
            print(f"{'FAILED' if faults else 'Proven'}: {proof.title}", *faults, sep="\n    ")
    return failed


def left_out(run: dict[str, object]) -> int:
    """Returns the number of requests that a run wrongly sent from the folder that exceeds a rate limit.

    A run of the whole collection must leave this folder out.
    """
    flood = {request.name for request in RATE_LIMIT.requests}
    sent = flood.intersection(results.sent(run))
    for name in sent:
        print(f"FAILED: a run of the whole collection sent {name}")
    return len(sent)


def _proofs(server: str, page: str) -> list[Proof]:
    api = {"base_url": f"{server}/api/v1"}
    wrong = [
        Proof(
            f"a wrong address is named: {title}",
            (_FIRST, _WITHOUT_TOKEN),
            f"{address} isn't the",
            {"base_url": address},
        )
        for title, address in (
            ("nothing answers", _CLOSED),
            ("a web page answers", page),
            ("the path is missing", server),
        )
    ]
    return [
        *wrong,
        Proof(
            "an environment without an address asks for one",
            (_FIRST, _WITHOUT_TOKEN),
            "base_url is empty",
            environment=collection.PRODUCTION_ENVIRONMENT,
        ),
        Proof(
            "a request that is sent too early names the first one to send",
            ("4. Sales marks it signed",),
            f'Send "{_FIRST}" of the folder "The workflow" first.',
            api,
        ),
        Proof(
            "a folder that is sent too early names the first request to send",
            ("Events",),
            'Send "List sales contacts" of the folder "Every operation" first.',
            api,
            sent=("List events",),
        ),
        Proof(
            "a request whose row is gone names the folder to send again",
            ("Whose party is it?",),
            'send the folder "Support" from its beginning',
            api,
            kept={"answering_address": api["base_url"], "support_client_id": "999999999999"},
            sent=("Whose party is it?",),
        ),
        Proof(
            "another server's rows are forgotten",
            ("2. Sales turns the prospect into a client",),
            f'Send "{_FIRST}" of the folder "The workflow" first.',
            api,
            kept={"answering_address": "https://crm.epic.example/api/v1", "workflow_prospect_id": "7"},
        ),
        Proof(
            "a wrong password names its variable",
            (_FIRST,),
            "oc-salesman can't log in:",
            api | {"sales_password": "another one"},
        ),
    ]


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # noqa: N802
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<p>Another server</p>")

    def log_message(self, *_: object) -> None:
        """Prints nothing. The base class would print a line for each request."""


@contextmanager
def _web_page() -> Iterator[str]:
    """Runs a server that answers each request with a web page. Yields the server's URL."""
    with HTTPServer(("127.0.0.1", 0), _Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
