"""Numbers as arguments of commands."""

import re
from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import TypeVar

Number = TypeVar("Number", int, float)


def number_between(lowest: Number, highest: Number) -> Callable[[str], Number]:
    """Returns the argparse type of a number from `lowest` to `highest`: whole if `lowest` is an int.

    The type raises ArgumentTypeError, with a sentence, for any other text. Python's `float` would also read "nan", and
    `int` digits of other scripts.
    """
    shape = r"-?[0-9]+" if isinstance(lowest, int) else r"-?[0-9]+(\.[0-9]+)?"
    kind = "whole number" if isinstance(lowest, int) else "number"

    def parse(text: str) -> Number:
        # Python refuses to read a number of thousands of digits.
        if len(text) <= 30 and re.fullmatch(shape, text) and lowest <= (value := type(lowest)(text)) <= highest:
            return value
        raise ArgumentTypeError(f"write a {kind} from {int(lowest):,} to {int(highest):,}.")

    return parse
