"""Builds the collection's folder with every operation of the OpenAPI document, in a subfolder for each tag.

The requests are sent as management, which may do everything.
The requests of a tag create rows, read rows and change rows.
Before each DELETE, a separate row is created for it, so that later requests still find the other rows.
"""

import re
from typing import Any

from document import Document, Operation
from folders import Folder, Request

NAME = "Every operation"
ABOUT = (
    "All that the OpenAPI document describes, by tag, with its examples. Management sends it; choose another token in "
    "the Authorization of this folder. It makes the rows that it works on, and leaves one of each kind. Headers and "
    "filters that one may send are there, switched off."
)
_ROLE = "management"
_ORDER = ("POST", "GET", "PUT", "PATCH", "DELETE")
_LOGIN = "POST users/login/"
_CREDENTIALS = {"username": f"{{{{{_ROLE}_username}}}}", "password": f"{{{{{_ROLE}_password}}}}"}
# Sent last, because they end sessions of other requests.
_ENDS = {"POST users/logout/", "POST users/logout-all/", "DELETE users/me/sessions/"}
# These settings replace examples of the OpenAPI document that can't be sent.
# Such an example has another user's account or token, or would change the account that sends it.
_SENT: dict[str, dict[str, Any]] = {
    _LOGIN: {"body": _CREDENTIALS, "keeps": {"login_token": "answer.refresh"}},
    "POST users/refresh/": {"body": {"refresh": "{{login_token}}"}, "keeps": {"refreshed_token": "answer.refresh"}},
    "POST users/logout/": {"body": {"refresh": "{{refreshed_token}}"}, "forgets": ("login_token", "refreshed_token")},
    "POST users/logout-all/": {"tests": (f"pm.collectionVariables.set('{_ROLE}_refresh', '');",)},
    "PATCH users/me/": {"body": {}},
    "POST users/me/email/": {
        "answers": 400,
        "body": {"email": "another@epic-events.example", "password": "not the one of today"},
    },
    "POST users/me/password/": {
        "answers": 400,
        "body": {"old_password": "not the one of today", "new_password": "the one of tomorrow"},
    },
    "GET users/sales-contacts/": {"keeps": {"sales_contact_id": "answer.results[0]?.id"}},
    "GET users/support-contacts/": {"keeps": {"support_contact_id": "answer.results[0]?.id"}},
    "GET users/me/sessions/": {"keeps": {"session_id": "answer.results.find(one => !one.is_current)?.id"}},
}
_REFUSED = "A wrong password is sent, because the account would change otherwise."


def folder(document: Document) -> Folder:
    # The tag "contacts" comes first, because later requests assign rows to these contacts.
    tags = dict.fromkeys(["contacts", *(operation.tag for operation in document.operations.values())])
    folders = tuple(Folder(tag.capitalize(), "", tuple(_requests(tag, document))) for tag in tags)
    return Folder(NAME, ABOUT, role=_ROLE, prefix="every", folders=folders)


def _requests(tag: str, document: Document) -> list[Request]:
    tagged = {name: operation for name, operation in document.operations.items() if operation.tag == tag}
    makers = {row.noun: name for name in tagged if (row := _row_made_by(name, document))}
    requests = []
    for name in sorted(tagged, key=lambda name: (name in _ENDS, _ORDER.index(tagged[name].method))):
        operation = tagged[name]
        sent = _SENT.get(name, {})
        if row := _row_made_by(name, document):
            sent = {"keeps": {f"{row.noun}_id": "answer.id"}}
        elif operation.method == "DELETE" and operation.noun in makers:
            spare = "_".join(["spare", *(step for step in operation.path.split("/") if step.isalpha()), "id"])
            made = {"keeps": {spare: "answer.id"}}
            requests.append(_request(document[makers[operation.noun]], f'Make one for "{operation.summary}"', made))
            sent = {"path": {"id": f"{{{{{spare}}}}}"}}
        elif name == "GET users/me/sessions/":
            requests.append(_request(document[_LOGIN], "Log in once more", {"body": _CREDENTIALS}))
        requests.append(_request(operation, operation.summary, sent))
    return requests


def _row_made_by(name: str, document: Document) -> Operation | None:
    """Returns the operation that reads the row created by the operation `name`; None if `name` creates no row."""
    return document.operations.get(f"GET {name.removeprefix('POST ')}{{id}}/")


def _request(operation: Operation, name: str, sent: dict[str, Any]) -> Request:
    success = min(int(status) for status in operation.source["responses"])
    values = {"answers": success, "body": _body(operation)} | sent
    why = operation.description + (f"\n\n{_REFUSED}" if values["answers"] >= 400 else "")
    return Request(name, f"{operation.method} {operation.path}".strip(), why, is_reference=True, **values)


def _body(operation: Operation) -> Any:
    """Returns an example of the request body in which email addresses are unique.

    In a POST or PUT, the ids of contacts are variables that earlier requests have set.
    """
    if not isinstance(operation.body, dict):
        return operation.body
    body = {
        name: re.sub(r"^([\w.+-]+)@", r"\1.{{$guid}}@", value) if isinstance(value, str) else value
        for name, value in operation.body.items()
    }
    contacts = [name for name in operation.fields if name.endswith("_contact_id")]
    return body | {name: f"{{{{{name}}}}}" for name in contacts if operation.method in ("POST", "PUT")}
