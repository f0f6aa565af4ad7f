"""Names and descriptions of operations, and names of components. Generated clients use these names.

The id of an operation is `<collection>_<verb>`: `clients_list`, `client_contracts_create`, `contracts_history`.
A view that isn't a collection sets its id with `extend_schema(operation_id=…)`.
"""

from typing import Any

from drf_spectacular.plumbing import is_patched_serializer

from api.resources.registry import collections
from api.resources.serializers import ResourceSerializer

_SUMMARY_VERBS = {
    "list": "list",
    "create": "create",
    "retrieve": "get",
    "update": "replace",
    "partial_update": "update",
    "destroy": "delete",
    "history": "history",
    "access": "access",
}


_SUMMARIES = {
    "list": "List {many}",
    "create": "Create {one}",
    "retrieve": "Read {one}",
    "update": "Replace {one}",
    "partial_update": "Change {one}",
    "destroy": "Delete {one}",
    "history": "Read the history of {one}",
    "access": "Ask what one may do with {one}",
}
_OUTCOMES = {
    "list": "A page of them.",
    "create": "It is made: this is how it looks now.",
    "retrieve": "As it is now.",
    "update": "It is changed: this is how it looks now.",
    "partial_update": "It is changed: this is how it looks now.",
    "history": "A page of entries, newest first.",
    "access": "Each action, with the rule that decides.",
}
_ABOUT = {
    "list": "Those that the caller sees, page by page.",
    "create": "Makes one and answers it, with its address in `Location`. "
    "Send an `Idempotency-Key` to make it safe to repeat.",
    "retrieve": "One of those that the caller sees.",
    "update": "Sets what is sent and answers the whole. "
    "Required members must be sent; others that aren't stay as they are.",
    "partial_update": "Sets the members that are sent and answers the whole; all others stay as they are.",
    "destroy": "Deletes it. The trail holds the whole row, from which management can restore it.",
}


def nouns(path: str) -> list[str]:
    """Returns a path's collections: `/api/v1/clients/{client}/contracts/{id}/history/` -> ["clients", "contracts"]."""
    steps = path.removeprefix("/api/v1/").removesuffix("/history/").removesuffix("/access/").split("/")
    return [step for step in steps if step and not step.startswith("{")]


def operation_id(path: str, action: str) -> str:
    *parents, collection = nouns(path) or ["catalogue"]
    return "_".join([*(singular(parent) for parent in parents), collection, _SUMMARY_VERBS[action]])


def operation_summary(path: str, action: str) -> str:
    """Returns the summary of a resource's operation, such as "Create a contract of a client"."""
    *parents, collection = nouns(path)
    below = f" of {_singular(parents[-1])}" if parents else ""
    return _SUMMARIES[action].format(one=_singular(collection), many=collection) + below


def about(action: str) -> str:
    return _ABOUT.get(action, "")


def outcome(action: str, status: str) -> str:
    return "Done: there is nothing to tell." if status == "204" else _OUTCOMES.get(action, "The answer.")


def singular(collection: str) -> str:
    """Returns the name of the resource that has this collection: "clients" -> "client".

    If no resource has the collection, returns the collection's name without its final s.
    """
    return collections().get(collection, collection.removesuffix("s"))


def _singular(collection: str) -> str:
    noun = singular(collection).replace("-", " ").replace("_", " ")
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def component_name(name: str, serializer: Any, direction: str) -> str:
    """Returns the name of a serializer's component: `ClientRead`, `ClientWrite` (POST and PUT) or `ClientPatch`.

    The name `Client` alone isn't used, because generated API clients have a class of their own with this name.
    `name` is drf-spectacular's name, which may begin with `Patched` and end in `Request`.
    """
    if direction != "request":
        return f"{name}Read" if isinstance(serializer, ResourceSerializer) else name
    base = name.removesuffix("Request")
    if is_patched_serializer(serializer, direction):
        return f"{base.removeprefix('Patched')}Patch"
    return f"{base}Write" if isinstance(serializer, ResourceSerializer) else base
