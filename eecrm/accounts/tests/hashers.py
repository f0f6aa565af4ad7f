from accounts.passwords.hashers import TunedArgon2PasswordHasher


class StrongerHasher(TunedArgon2PasswordHasher):
    """Tomorrow's: what was hashed before is hashed again at the next login."""

    time_cost = 3
