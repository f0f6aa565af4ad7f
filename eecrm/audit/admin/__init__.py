from audit.admin import entries  # noqa: F401  # registers it
