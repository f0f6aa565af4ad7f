"""Accounts from a CSV file, all or none: `manage.py import_users`, and the admin site."""
