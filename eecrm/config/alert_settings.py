"""Thresholds at which all managers are alerted to an account's unusual activity (`accounts.outbox.alerts`)."""

from config.environment import number


def _count(name: str, default: int) -> int:
    sentence = f"{name} must be from 1 to 1,000,000: so many in a short time are told to managers."
    return int(number(name, sentence, 1, 1_000_000, default=default))


# Kind of activity -> (number of times, seconds) at which managers are alerted.
ALERTS = {
    "deletions": (_count("ALERT_DELETIONS", 20), 600),
    "changes": (_count("ALERT_CHANGES", 100), 600),  # of clients, contracts and events
    "accounts": (_count("ALERT_ACCOUNTS", 20), 600),  # created, activated, deactivated, given a role or a group
    "signatures": (_count("ALERT_SIGNATURES", 3), 3_600),  # changes of one contract's status: signed, reopened
    "reopenings": (_count("ALERT_REOPENINGS", 5), 3_600),  # of all contracts together
    "exports": (_count("ALERT_EXPORTS", 3), 3_600),
}
