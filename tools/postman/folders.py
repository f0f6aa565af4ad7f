"""Classes for the requests and folders of the Postman collection. items.py makes Postman's JSON from them."""

from dataclasses import dataclass, field
from typing import Any

from variables import Variables

NOBODY = "nobody"  # role of requests that are sent without an access token


@dataclass(frozen=True)
class Request:
    """A request of the Postman collection.

    `operation` is written as "PATCH clients/{id}/". The token of `role` is sent, or that of the folder's role.
    `answers` is the expected status. If `body` is None, the OpenAPI document's example is sent.
    `rule` is the rule that refuses the request. For a refusal without a rule, `like` names the document's example.
    `keeps` maps variables to JavaScript expressions, in which `answer` is the answer's body.
    After a success, the variables get the values of these expressions.
    `forgets` names variables that are emptied. A DELETE always empties the variable of its row.
    If `is_reference` is true, the request has all of the document's examples.
    """

    name: str
    operation: str
    why: str
    answers: int = 200
    rule: str = ""
    like: str = ""
    role: str = ""
    path: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] | None = None
    keeps: dict[str, str] = field(default_factory=dict)
    forgets: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    is_reference: bool = False


@dataclass(frozen=True)
class Folder:
    """A folder of requests, or of folders. The requests are sent with the token of `role`.

    If `role` is empty, each request or inner folder has a role of its own.
    `prefix` is the beginning of the names of the folder's variables.
    If `is_left_out` is true, a run of the whole collection doesn't send the folder.
    """

    name: str
    about: str
    requests: tuple[Request, ...] = ()
    role: str = ""
    prefix: str = ""
    folders: tuple["Folder", ...] = ()
    is_left_out: bool = False

    @property
    def all_requests(self) -> tuple[Request, ...]:
        return (*self.requests, *(request for folder in self.folders for request in folder.all_requests))

    @property
    def variables(self) -> Variables:
        makers: dict[str, str] = {}
        for request in self.all_requests:
            for variable in request.keeps:
                makers.setdefault(variable, request.name)
        return Variables(self.prefix, makers)
