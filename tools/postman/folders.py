"""Classes for the requests and folders of the Postman collection. items.py makes Postman's JSON from them."""

from dataclasses import dataclass, field
from typing import Any

from variables import Variables

NOBODY = "nobody"  # role of requests that are sent without an access token


@dataclass(frozen=True)
class Request:
    """A request of the Postman collection.

    - `operation`: method and path, such as "PATCH clients/{id}/";
    - `role`: the request is sent with the token of this role, by default the folder's role;
    - `answers`: the expected status of the answer;
    - `body`: the body to send; None sends the example of the OpenAPI document;
    - `rule`: the rule that refuses the request;
    - `like`: the name of the OpenAPI document's example for a refusal without a rule;
    - `keeps`: variables to set after a success, each with a JavaScript expression of its value;
    - `forgets`: variables to empty after a success; a DELETE always empties the variable of its row;
    - `is_reference`: if true, the saved answers include the refusals (403) of all roles.

    In the expressions of `keeps`, `answer` is the body of the answer.
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
