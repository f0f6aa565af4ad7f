from audit.admin import entries  # noqa: F401  # this import registers the admin pages
