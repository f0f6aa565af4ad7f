"""Import of accounts from a CSV file, by `manage.py import_users` or in the admin site. It imports all rows or none."""
