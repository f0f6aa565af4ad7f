_MAX_ID = 2**63 - 1


class IdConverter:
    """Path converter for the id of a row: decimal digits within PostgreSQL's bigint. Any other text gets a 404."""

    regex = "[1-9][0-9]{0,18}"

    def to_python(self, value: str) -> int:
        number = int(value)
        if number > _MAX_ID:
            raise ValueError(value)
        return number

    def to_url(self, value: int | str) -> str:
        return str(value)
