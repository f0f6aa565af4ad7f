from audit.admin import entries  # noqa: F401  # importing it registers the admin pages
