from django.contrib.auth.hashers import Argon2PasswordHasher

from accounts.passwords.validators import is_too_long, require_hashable


class TunedArgon2PasswordHasher(Argon2PasswordHasher):
    """Hashes passwords with Argon2id: 19 MiB, two passes, one lane (OWASP Password Storage Cheat Sheet).

    A hash takes about 25 ms of one core.
    """

    memory_cost = 19_456  # KiB
    time_cost = 2
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        """Hashes a password. Raises ValidationError for more than 1,024 bytes, because not every caller checks this."""
        require_hashable(password)
        return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        return not is_too_long(password) and super().verify(password, encoded)
