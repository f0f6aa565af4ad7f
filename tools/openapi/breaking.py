"""Finds breaking changes: differences between two OpenAPI documents that break API clients of the older document.

A new document may accept more requests, but not fewer. Its answers may have more members, but none may disappear.
These changes break clients:
- an operation is removed, has another `operationId`, or newly needs a login;
- a parameter, a body or a media type is removed;
- a parameter, a body or a member of a body becomes required;
- a request schema becomes narrower: types, alternatives (`oneOf`), enum, bounds, pattern, format, additional members;
- a status is removed, or a status of success (2xx, 3xx) is added, which the clients don't expect;
- a response header is removed or becomes optional;
- a member of an answer is removed or becomes optional;
- a response schema becomes wider: types, null, alternatives (`oneOf`), enum, bounds, pattern, format.
New operations, optional parameters, optional members, response members, response headers and refusals break nothing.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from narrowing import Schema, Side, gone, less


def breaks(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Returns a line of text for each change from `old` to `new` that breaks API clients."""
    before, after = Side(old), Side(new)
    lines: list[str] = []
    for (path, method), old_operation in before.operations().items():
        where = f"{method.upper()} {path}"
        new_operation = after.operations().get((path, method))
        if new_operation is None:
            lines.append(f"{where} is gone")
        else:
            lines += _Operations(where, before, after).compare(old_operation, new_operation)
    return lines


def _parameters_by_name(operation: Any) -> dict[tuple[str, str], Any]:
    return {(parameter["in"], parameter["name"]): parameter for parameter in operation.get("parameters", ())}


class _Operations(NamedTuple):
    where: str
    before: Side
    after: Side

    def compare(self, old: Any, new: Any) -> Iterator[str]:
        if old["operationId"] != new["operationId"]:
            yield f"{self.where} is called {new['operationId']} and no longer {old['operationId']}"
        if ({} in old.get("security", [{}])) and ({} not in new.get("security", [{}])):
            yield f"{self.where} needs a login"
        yield from self._parameters(old, new)
        yield from self._requests(old.get("requestBody"), new.get("requestBody"))
        yield from self._responses(old["responses"], new["responses"])

    def _parameters(self, old: Any, new: Any) -> Iterator[str]:
        old_parameters, new_parameters = _parameters_by_name(old), _parameters_by_name(new)
        for (location, name), parameter in old_parameters.items():
            where = f"{self.where}, {location} {name}"
            if (new_parameter := new_parameters.get((location, name))) is None:
                yield f"{where} is gone"
                continue
            if new_parameter.get("required") and not parameter.get("required"):
                yield f"{where} is required"
            yield from self._sent(where, parameter["schema"], new_parameter["schema"])
        for location, name in new_parameters.keys() - old_parameters.keys():
            if new_parameters[location, name].get("required"):
                yield f"{self.where}, {location} {name} is new and required"

    def _requests(self, old: Any, new: Any) -> Iterator[str]:
        if new and new.get("required") and not (old and old.get("required")):
            yield f"{self.where} requires a body"
        if old and not new:
            yield f"{self.where} takes no body any more"
        if old and new:
            yield from self._contents(f"{self.where}, body", old, new, self._sent)

    def _responses(self, old: Any, new: Any) -> Iterator[str]:
        for status, response in old.items():
            where = f"{self.where}, {status}"
            if status not in new:
                yield f"{where} is gone"
                continue
            old_response, new_response = self.before.whole(response), self.after.whole(new[status])
            yield from self._headers(where, old_response.get("headers", {}), new_response.get("headers", {}))
            yield from self._contents(where, old_response, new_response, self._answered)
        for status in sorted(new.keys() - old.keys()):
            if status < "400":
                yield f"{self.where}, {status} is new"

    def _headers(self, where: str, old: Any, new: Any) -> Iterator[str]:
        for name, header in old.items():
            if name not in new:
                yield f"{where}, header {name} is gone"
                continue
            old_header, new_header = self.before.whole(header), self.after.whole(new[name])
            if old_header.get("required") and not new_header.get("required"):
                yield f"{where}, header {name} isn't promised any more"
            yield from self._answered(f"{where}, header {name}", old_header["schema"], new_header["schema"])

    def _contents(self, where: str, old: Any, new: Any, compare: Callable[..., Iterator[str]]) -> Iterator[str]:
        new_content = new.get("content", {})
        for media_type, content in old.get("content", {}).items():
            if media_type not in new_content:
                yield f"{where} is no {media_type} any more"
                continue
            yield from compare(where, content["schema"], new_content[media_type]["schema"])

    def _sent(self, where: str, old: Schema, new: Schema) -> Iterator[str]:
        """Compares two versions of a request schema.

        Yields a line for each value that the new version doesn't accept.
        """
        lost = [*gone(old, new, self.before, self.after), *less(old, new, self.before, self.after)]
        return (f"{where}{place}: {what} isn't taken any more" for place, what in lost)

    def _answered(self, where: str, old: Schema, new: Schema) -> Iterator[str]:
        """Compares two versions of an answer's schema.

        Yields a line for each lost member and each newly allowed value.
        """
        for place, what in gone(old, new, self.before, self.after):
            yield f"{where}{place}: {what} is gone"
        for place, what in less(new, old, self.after, self.before):
            yield f"{where}{place}: {what} wasn't possible before"
