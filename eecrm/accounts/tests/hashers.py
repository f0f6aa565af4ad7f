from typing import ClassVar

from accounts.passwords.hashers import TunedArgon2PasswordHasher


class StrongerHasher(TunedArgon2PasswordHasher):
    """Tomorrow's: what was hashed before is hashed again at the next login."""

    time_cost = 3


class CountedHasher(TunedArgon2PasswordHasher):
    """Notes every hash that it computes."""

    computed: ClassVar[list[str]] = []

    def encode(self, password: str, salt: str) -> str:
        self.computed.append("encode")
        return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        self.computed.append("verify")
        return super().verify(password, encoded)
