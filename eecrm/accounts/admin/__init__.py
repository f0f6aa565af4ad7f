from accounts.admin import alerts, covers, groups, users  # noqa: F401  # Django imports this module to find admin pages
