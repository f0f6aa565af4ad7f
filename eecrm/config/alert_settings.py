"""How much of one kind an account does in a short time before all managers are told (`accounts.alerts`)."""

from config.environment import env
from config.environment import require as _require

# How often within how many seconds.
ALERTS = {
    "deletions": (env("ALERT_DELETIONS", default=20, cast=int), 600),
    "changes": (env("ALERT_CHANGES", default=100, cast=int), 600),  # of clients, contracts and events
    "accounts": (env("ALERT_ACCOUNTS", default=20, cast=int), 600),  # that are made, or switched on or off
    "signatures": (env("ALERT_SIGNATURES", default=3, cast=int), 3_600),  # of one contract, reopening it included
    "reopenings": (env("ALERT_REOPENINGS", default=5, cast=int), 3_600),  # of any contracts
    "exports": (env("ALERT_EXPORTS", default=3, cast=int), 3_600),
}
for _kind, (_count, _) in ALERTS.items():
    _require(_count > 0, f"ALERT_{_kind.upper()} must be 1 or more: so many in a short time are told to managers.")
