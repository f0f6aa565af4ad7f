from accounts.admin import alerts, covers, groups, users  # noqa: F401  # Django looks for pages here
