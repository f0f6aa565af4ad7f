"""Thresholds of an account's unusual activity. At a threshold, all managers get an alert (`accounts.outbox.alerts`)."""

from config.environment import number


def _count(name: str, default: int) -> int:
    sentence = f"{name} must be from 1 to 1,000,000: so many in a short time are told to managers."
    return int(number(name, sentence, 1, 1_000_000, default=default))


# Maps a kind of activity to (count, seconds). For example, (20, 600): 20 actions of one account in 10 minutes.
# If an account reaches the count within the seconds, all managers get an alert.
ALERTS = {
    "deletions": (_count("ALERT_DELETIONS", 20), 600),
    "changes": (_count("ALERT_CHANGES", 100), 600),  # changes of clients, contracts and events
    "accounts": (_count("ALERT_ACCOUNTS", 20), 600),  # accounts created, activated, deactivated, given a role or group
    "signatures": (_count("ALERT_SIGNATURES", 3), 3_600),  # changes of the same contract's status (signed, reopened)
    "reopenings": (_count("ALERT_REOPENINGS", 5), 3_600),  # reopened contracts, all contracts together
    "exports": (_count("ALERT_EXPORTS", 3), 3_600),
}
