"""One rule for all secrets of the configuration: long enough, and neither repeated nor made of few characters.

The settings use it, so it doesn't read them.
"""

from itertools import pairwise

_MIN_CHARACTERS = 8  # different ones
# Different pairs of neighbours. `abcde` again and again has 5. Of 32 random hexadecimal digits, fewer than 20 occur in
# less than one of a million.
_MIN_PAIRS = 20


def is_weak(secret: str | bytes, min_length: int) -> bool:
    """Returns True if the secret is shorter than `min_length` (characters of a text, or bytes) or isn't random."""
    return len(secret) < min_length or len(set(secret)) < _MIN_CHARACTERS or len(set(pairwise(secret))) < _MIN_PAIRS
