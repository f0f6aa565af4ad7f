"""Builds the folder with every operation of the document, by tag.

It is a reference for readers. Newman sends it as an auditor, who may not change anything.
"""

import json

from checks import keep
from document import Document, Operation
from items import Folder, Request

NAME = "Every operation"
ABOUT = (
    "All that the OpenAPI document describes, by tag, with its examples. It is sent as the auditor, who reads "
    "everything and "
    "changes nothing; choose another token in the Authorization of this folder. Headers and filters that one may send "
    "are "
    "there, switched off."
)
# The document's examples of these operations would change the account of the user who sends them.
_HARMLESS: dict[str, dict[str, str]] = {
    "PATCH users/me/": {},
    "POST users/me/email/": {"email": "another@epic-events.example", "password": "not the one of today"},
    "POST users/me/password/": {"old_password": "the one of today", "new_password": "the one of tomorrow"},
}
_TESTS = {"GET users/me/sessions/": (keep(session_id="answer.results[answer.results.length - 1].id"),)}


def folders(document: Document) -> list[Folder]:
    after = "\n".join(
        [
            "const known = DOCUMENTED[pm.info.requestName];",
            "pm.test('The document describes this answer', () => pm.expect(known).to.include(pm.response.code));",
        ]
    )
    folders = []
    for tag in dict.fromkeys(operation.tag for operation in document.operations.values()):
        tagged = {name: operation for name, operation in document.operations.items() if operation.tag == tag}
        statuses = {
            operation.summary: sorted({int(status) for status in operation.source["responses"]})
            for operation in tagged.values()
        }
        requests = tuple(_request(name, operation) for name, operation in tagged.items())
        check = after.replace("DOCUMENTED", json.dumps(statuses, ensure_ascii=False))
        folders.append(Folder(tag.capitalize(), "", requests, after_each=check))
    return folders


def _request(name: str, operation: Operation) -> Request:
    return Request(
        operation.summary, name, operation.description, answers=0, body=_HARMLESS.get(name), tests=_TESTS.get(name, ())
    )
