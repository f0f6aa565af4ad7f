_LARGEST = 2**63 - 1


class IdConverter:
    """A key in a path: plain decimal digits within bigint. Whatever else stands there is a 404."""

    regex = "[1-9][0-9]{0,18}"

    def to_python(self, value: str) -> int:
        number = int(value)
        if number > _LARGEST:
            raise ValueError(value)
        return number

    def to_url(self, value: int | str) -> str:
        return str(value)
