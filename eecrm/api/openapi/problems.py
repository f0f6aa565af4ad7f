"""OpenAPI descriptions of error answers: the error statuses of each operation, with examples of problem documents."""

from http import HTTPStatus
from typing import Any, NamedTuple

from django.conf import settings

from access import reasons
from access import refusals as database
from access.permissions import Public, policy_action
from api.openapi import rules
from api.openapi.conditional_schema import condition_parameters
from api.openapi.fields import obj
from api.openapi.headers import REQUEST_ID_EXAMPLE
from api.requests.bounds import BodyTooLarge, in_words
from api.requests.parsers import LengthRequired
from api.requests.problems import NOT_FOUND, TITLES
from api.resources import idempotency

STRING = {"type": "string"}

_PROBLEM_MEMBERS: dict[str, Any] = {
    "type": {"type": "string", "format": "uri", "description": "`about:blank`: the status says what kind it is."},
    "title": {"type": "string", "description": "The status in words."},
    "status": {"type": "integer", "minimum": 400, "maximum": 599},
    "detail": {"type": "string", "description": "What happened, as a sentence to a person."},
    "code": {"type": "string", "description": "What happened, as a word to a program."},
    "request_id": {"type": "string", "description": "The `X-Request-ID` of the answer, to ask about."},
}
_RULE = {"type": "string", "description": "The rule that decided; docs/access.md has them all."}
_ERRORS = {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/ProblemError"}}
_VERSION = {"type": "integer", "format": "int64", "description": "The version that is there now."}
_CHANGED_FIELDS = {
    "type": ["array", "null"],
    "items": STRING,
    "description": "The fields that differ from the version that If-Match names; null where nobody can tell.",
}
_POINTER = "Where: `#/name` is a member of the body, `?name` a parameter, `Name-Of-Header` a header."

SCHEMAS = {
    "Problem": obj("A refusal (RFC 9457).", **_PROBLEM_MEMBERS),
    "ProblemError": obj(
        "One thing that is wrong.", pointer=STRING | {"description": _POINTER}, code=STRING, detail=STRING
    ),
    "ValidationProblem": obj("What was sent can't be accepted.", **_PROBLEM_MEMBERS, errors=_ERRORS),
    "RuleProblem": obj(
        "A rule forbids it: to this caller (403), or in this state (409).", **_PROBLEM_MEMBERS, rule=_RULE
    ),
    "PreconditionProblem": obj(
        "Another version is there.", **_PROBLEM_MEMBERS, version=_VERSION, changed=_CHANGED_FIELDS
    ),
}  # fmt: skip


class DocumentedProblem(NamedTuple):
    """An error answer in the OpenAPI document.

    `name` is the name of the shared component; "" if operations never share this answer.
    """

    status: int
    name: str
    meaning: str
    examples: dict[str, Any]
    schema: str = "Problem"
    headers: tuple[str, ...] = ()

    def described(self) -> dict[str, Any]:
        content = {"schema": {"$ref": f"#/components/schemas/{self.schema}"}, "examples": self.examples}
        return {"x-name": self.name, "description": self.meaning, "content": {"application/problem+json": content}}


def example(status: int, code: str, detail: str, **members: Any) -> dict[str, Any]:
    body = {
        "type": "about:blank",
        "title": TITLES.get(status) or HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": REQUEST_ID_EXAMPLE,
    }
    return {"summary": detail, "value": body | members}


def _invalid_problem(pointer: str, code: str, detail: str) -> dict[str, Any]:
    name = pointer.lstrip("#/?")
    where = "query" if pointer.startswith("?") else "request"
    error = {"pointer": pointer, "code": code, "detail": detail}
    return example(400, "invalid", f"The {where} can't be accepted: see {name}.", errors=[error])


_UNKNOWN_PARAMETER = _invalid_problem(
    "?colour", "invalid", "This parameter is unknown. Known: count, cursor, ordering, page_size."
)
_REASON = _invalid_problem(reasons.HEADER, "invalid", f"{reasons.UNFIT} This one has 501.")
_REQUIRED = _invalid_problem("#/name", "required", "This field is required.")
_UNKNOWN_FIELD = _invalid_problem("#/colour", "unknown", "This field is unknown.")
_NOT_JSON_DETAIL = "The body is not JSON: unexpected end of data at line 1, column 1."
_NOT_JSON = example(
    400, "invalid", _NOT_JSON_DETAIL, errors=[{"pointer": "#", "code": "parse_error", "detail": _NOT_JSON_DETAIL}]
)

_TOKEN_PROBLEM = example(401, "not_authenticated", "Authentication credentials were not provided.")
_LOGIN_FAILED = example(
    401, "login_failed",
    "No active account has this username and password, or it rests for some minutes after too many failed tries.",
)  # fmt: skip
_THROTTLED = example(429, "throttled", "Too many requests: try again in 12 s.")
_OUTAGE_PROBLEMS = {
    name: example(503, outage.code, outage.sentence)
    for name, outage in (
        ("down", database.UNAVAILABLE),
        ("busy", database.BUSY),
        ("timeout", database.STATEMENT_TIMED_OUT),
        ("overloaded", database.OVERLOADED),
        ("read_only", database.READ_ONLY),
        ("disk_full", database.DISK_FULL),
        ("failing", database.FAILING),
    )
}
_FAILED_PRECONDITION = example(
    412, "precondition_failed", "This is at version 4 now, and If-Match names another.", version=4, changed=["status"]
)


_LENGTH_REQUIRED = example(411, LengthRequired.default_code, LengthRequired.default_detail)
_NOT_JSON_TYPE = example(415, "unsupported_media_type", 'Unsupported media type "text/plain" in request.')
_NOT_FOUND = example(404, "not_found", NOT_FOUND)
_KEY_REUSED = example(422, idempotency.KeyReused.default_code, idempotency.KeyReused.default_detail)

TOO_MANY = DocumentedProblem(
    429, "TooManyRequests", "Too many requests: wait.", {"wait": _THROTTLED}, headers=("Retry-After",)
)
NO_LENGTH = DocumentedProblem(411, "LengthRequired", "A body came in chunks.", {"chunked": _LENGTH_REQUIRED})
NO_JSON = DocumentedProblem(
    415, "UnsupportedMediaType", "The body is something else than JSON.", {"not_json": _NOT_JSON_TYPE}
)
NO_LOGIN = DocumentedProblem(
    401,
    "Unauthorized",
    "Nobody is logged in, or the login is over.",
    {"no_token": _TOKEN_PROBLEM},
    headers=("WWW-Authenticate",),
)
NO_ENTRY = DocumentedProblem(
    401, "LoginRefused", "Not what it should be, or over.", {"refused": _LOGIN_FAILED}, headers=("WWW-Authenticate",)
)
MISSING = DocumentedProblem(404, "NotFound", "Missing, or invisible to the caller.", {"not_found": _NOT_FOUND})
REUSED = DocumentedProblem(
    422,
    "KeyReused",
    f"The {idempotency.KEY_HEADER} was used for another path or body.",
    {"another_request": _KEY_REUSED},
)
STALE = DocumentedProblem(
    412, "PreconditionFailed",
    "Not what If-Match names: `version` and `changed` tell what is there instead.",
    {"stale": _FAILED_PRECONDITION}, "PreconditionProblem", ("ETag",),
)  # fmt: skip
DOWN = DocumentedProblem(
    503, "Unavailable", "The database can't do this now, and `code` tells why: repeat it after Retry-After.",
    _OUTAGE_PROBLEMS, headers=("Retry-After",),
)  # fmt: skip


def refusals(schema: Any) -> list[DocumentedProblem]:
    """Returns all error answers that an operation may give. `schema` is the operation's ProblemAutoSchema."""
    view, takes_body = schema.view, schema.takes_body()
    is_public = view.permission_classes == [Public]
    candidates = [
        (TOO_MANY, True),
        (_bad_request(takes_body=takes_body, takes_query=schema.takes_query()), True),
        (NO_LENGTH, True),
        (_too_large(view), takes_body),
        (NO_JSON, takes_body),
        (NO_LOGIN, not is_public),
        (NO_ENTRY, is_public and takes_body),
        (MISSING, schema.reads_rows()),
        (REUSED, schema.is_repeatable()),
        (STALE, bool(condition_parameters(view))),
        (DOWN, schema.asks_database()),
    ]
    possible = [refusal for refusal, is_possible in candidates if is_possible]
    return possible + ([] if is_public else _refusals_by_rule(view, schema.path))


def _too_large(view: Any) -> DocumentedProblem:
    max_bytes = getattr(view, "max_body_bytes", settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    name = "BodyTooLarge" if max_bytes == settings.DATA_UPLOAD_MAX_MEMORY_SIZE else "CredentialsTooLarge"
    too_large = example(413, BodyTooLarge.default_code, str(BodyTooLarge(max_bytes).detail))
    return DocumentedProblem(413, name, f"The body is larger than {in_words(max_bytes)}.", {"too_large": too_large})


def _bad_request(*, takes_body: bool, takes_query: bool) -> DocumentedProblem:
    """Returns the 400 answer of an operation.

    Every operation may answer 400, because any request may send an invalid reason (`X-Change-Reason`).
    """
    causes = {"unknown_parameter": _UNKNOWN_PARAMETER} if takes_query else {}
    causes |= {"missing": _REQUIRED, "unknown_field": _UNKNOWN_FIELD, "not_json": _NOT_JSON} if takes_body else {}
    name = "UnfitBody" if takes_body else "UnfitQuery" if takes_query else "UnfitHeader"
    return DocumentedProblem(
        400, name, "Not acceptable: `errors` tells where.", causes | {"reason": _REASON}, "ValidationProblem"
    )


def _refusals_by_rule(view: Any, path: str) -> list[DocumentedProblem]:
    problems = []
    if cells := rules.refusing(view, path):
        examples = {cell.id: example(403, "permission_denied", cell.sentence, rule=cell.id) for cell in cells}
        problems.append(DocumentedProblem(403, "", "Not allowed: `rule` tells why.", examples, "RuleProblem"))
    if names := getattr(view, "conflicts", {}).get(policy_action(view.action), ()):
        sentences = rules.sentences()
        examples = {name: example(409, _conflict_code(name), sentences[name], rule=name) for name in names}
        meaning = "Allowed, but not in this state, or a duplicate: `rule` tells which."
        problems.append(DocumentedProblem(409, "", meaning, examples, "RuleProblem"))
    return problems


def _conflict_code(rule: str) -> str:
    return "duplicate" if rule.endswith(("_unique", "_key")) else "conflict"
