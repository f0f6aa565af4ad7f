"""Describes requests and folders, before they become items of the collection."""

from dataclasses import dataclass, field
from typing import Any

from variables import Variables

NOBODY = "nobody"  # The role of requests without a token.


@dataclass(frozen=True)
class Request:
    """A request of the collection.

    `operation` is as in "PATCH clients/{id}/". `role` names the token; if empty, the folder's role does.
    Without a `body`, the document's example is sent.
    `rule` is the rule of a refusal. For a refusal without a rule, `like` names the document's example.
    `keeps` has the variables that a success sets: variable -> an expression that may use `answer`, its body.
    `forgets` has those that it empties. A DELETE empties the variable of its row by itself.
    A request in `is_reference` has all examples of the document.
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
    """A folder of requests, or of folders. `role` names their token; if empty, each request has its own role.

    `prefix` begins the names of its variables. A folder that `is_left_out` is sent by itself only.
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
