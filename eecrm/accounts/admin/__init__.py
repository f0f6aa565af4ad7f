from accounts.admin import users  # noqa: F401  # registers it, and imports the others
