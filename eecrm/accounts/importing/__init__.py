"""Import of accounts from a CSV file, all or none, by `manage.py import_users` or the admin site."""
