"""How much of one kind an account does in a short time before all managers are told (`accounts.alerts`)."""

from config.environment import number


def _count(name: str, default: int) -> int:
    sentence = f"{name} must be from 1 to 1,000,000: so many in a short time are told to managers."
    return int(number(name, sentence, 1, 1_000_000, default=default))


# How often within how many seconds.
ALERTS = {
    "deletions": (_count("ALERT_DELETIONS", 20), 600),
    "changes": (_count("ALERT_CHANGES", 100), 600),  # of clients, contracts and events
    "accounts": (_count("ALERT_ACCOUNTS", 20), 600),  # that are made, switched on or off, or given a role or group
    "signatures": (_count("ALERT_SIGNATURES", 3), 3_600),  # of one contract, reopening it included
    "reopenings": (_count("ALERT_REOPENINGS", 5), 3_600),  # of any contracts
    "exports": (_count("ALERT_EXPORTS", 3), 3_600),
}
