"""What of a new OpenAPI document would break a client that was built on an older one.

One idea: a request may only be allowed more, an answer may only promise more. So it breaks a client when
- an operation is gone, has another `operationId`, or needs a login that it didn't;
- a parameter, a body or a media type is gone;
- a parameter, a body or a member of a body is required that wasn't;
- what is sent may be less than before: a type, a value of an enum, a bound, pattern or format, members beyond those named;
- a status is gone, or a success (2xx, 3xx) is new;
- a header of an answer is gone, or isn't promised any more;
- what is answered may be more than before: a member is gone or isn't promised any more, a type, null, a value of an enum or
  another kind of change is new, a bound, pattern or format is wider.
It doesn't when operations, optional parameters and members, members and headers of answers, or refusals are new.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from api.openapi.narrowing import Schema, Side, gone, less


def breaks(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """A line for each change that breaks; none where every client of the old document gets on with the new one."""
    before, after = Side(old), Side(new)
    found: list[str] = []
    for (path, method), one in before.operations().items():
        where = f"{method.upper()} {path}"
        other = after.operations().get((path, method))
        found += [f"{where} is gone"] if other is None else _Operations(where, before, after).compare(one, other)
    return found


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
        mine, other = ({(one["in"], one["name"]): one for one in side.get("parameters", ())} for side in (old, new))
        for place, one in mine.items():
            where = f"{self.where}, {place[0]} {place[1]}"
            if place not in other:
                yield f"{where} is gone"
                continue
            if other[place].get("required") and not one.get("required"):
                yield f"{where} is required"
            yield from self._sent(where, one["schema"], other[place]["schema"])
        for place in other.keys() - mine.keys():
            if other[place].get("required"):
                yield f"{self.where}, {place[0]} {place[1]} is new and required"

    def _requests(self, old: Any, new: Any) -> Iterator[str]:
        if new and new.get("required") and not (old and old.get("required")):
            yield f"{self.where} requires a body"
        if old and not new:
            yield f"{self.where} takes no body any more"
        if old and new:
            yield from self._contents(f"{self.where}, body", old, new, self._sent)

    def _responses(self, old: Any, new: Any) -> Iterator[str]:
        for status, one in old.items():
            where = f"{self.where}, {status}"
            if status not in new:
                yield f"{where} is gone"
                continue
            mine, other = self.before.whole(one), self.after.whole(new[status])
            yield from self._headers(where, mine.get("headers", {}), other.get("headers", {}))
            yield from self._contents(where, mine, other, self._answered)
        for status in sorted(new.keys() - old.keys()):
            if status < "400":
                yield f"{self.where}, {status} is new"

    def _headers(self, where: str, old: Any, new: Any) -> Iterator[str]:
        for name, one in old.items():
            if name not in new:
                yield f"{where}, header {name} is gone"
                continue
            mine, other = self.before.whole(one), self.after.whole(new[name])
            if mine.get("required") and not other.get("required"):
                yield f"{where}, header {name} isn't promised any more"
            yield from self._answered(f"{where}, header {name}", mine["schema"], other["schema"])

    def _contents(self, where: str, old: Any, new: Any, compare: Callable[..., Iterator[str]]) -> Iterator[str]:
        mine, other = old.get("content", {}), new.get("content", {})
        for media, one in mine.items():
            if media not in other:
                yield f"{where} is no {media} any more"
                continue
            yield from compare(where, one["schema"], other[media]["schema"])

    def _sent(self, where: str, old: Schema, new: Schema) -> Iterator[str]:
        lost = [*gone(old, new, self.before, self.after), *less(old, new, self.before, self.after)]
        return (f"{where}{place}: {what} isn't taken any more" for place, what in lost)

    def _answered(self, where: str, old: Schema, new: Schema) -> Iterator[str]:
        for place, what in gone(old, new, self.before, self.after):
            yield f"{where}{place}: {what} is gone"
        for place, what in less(new, old, self.after, self.before):
            yield f"{where}{place}: {what} wasn't possible before"
