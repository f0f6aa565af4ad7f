"""Every operation of the document, by tag: for looking up, and sent by Newman as an auditor, who changes nothing."""

import json

from checks import keep
from document import Document, Operation
from items import Folder, Request

NAME = "Every operation"
ABOUT = (
    "All that the OpenAPI document describes, by tag, with its examples. It is sent as the auditor, who reads everything and "
    "changes nothing; choose another token in the Authorization of this folder. Headers and filters that one may send are "
    "there, switched off."
)
# Sent as they stand in the document, these would change the account of whoever tries them out.
_HARMLESS: dict[str, dict[str, str]] = {
    "PATCH users/me/": {},
    "POST users/me/email/": {"email": "another@epic-events.example", "password": "not the one of today"},
    "POST users/me/password/": {"old_password": "the one of today", "new_password": "the one of tomorrow"},
}
_KEPT = {"GET users/me/sessions/": (keep(session_id="answer.results[answer.results.length - 1].id"),)}


def folders(document: Document) -> list[Folder]:
    after = "\n".join(
        [
            "const known = DOCUMENTED[pm.info.requestName];",
            "pm.test('The document describes this answer', () => pm.expect(known).to.include(pm.response.code));",
        ]
    )
    found = []
    for tag in dict.fromkeys(operation.tag for operation in document.operations.values()):
        chosen = {name: one for name, one in document.operations.items() if one.tag == tag}
        known = {one.summary: sorted({int(status) for status in one.source["responses"]}) for one in chosen.values()}
        requests = tuple(_request(name, one) for name, one in chosen.items())
        found.append(Folder(tag.capitalize(), "", requests, after_each=after.replace("DOCUMENTED", _as_script(known))))
    return found


def _request(name: str, one: Operation) -> Request:
    return Request(one.summary, name, one.description, answers=0, body=_HARMLESS.get(name), tests=_KEPT.get(name, ()))


def _as_script(known: dict[str, list[int]]) -> str:
    return json.dumps(known, ensure_ascii=False)
