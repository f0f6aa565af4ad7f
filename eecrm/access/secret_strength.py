"""Check for all secrets of the configuration: long enough, with many different characters, and not repetitive.

The settings import this module, so the module must not read the settings.
"""

from itertools import pairwise

_MIN_CHARACTERS = 8  # minimum number of different characters in a secret
# Minimum number of different pairs of neighbouring characters: `abcdeabcde…` has only 5 different pairs.
# A random secret of 32 hexadecimal digits has at least 20 different pairs, except for one in a million.
_MIN_PAIRS = 20


def is_weak(secret: str | bytes, min_length: int) -> bool:
    """Returns True if the secret is shorter than `min_length` (characters of a text, or bytes) or isn't random."""
    return len(secret) < min_length or len(set(secret)) < _MIN_CHARACTERS or len(set(pairwise(secret))) < _MIN_PAIRS
