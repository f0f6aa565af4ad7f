"""Lists of prospects from files that somebody else made: `manage.py import_clients`."""
