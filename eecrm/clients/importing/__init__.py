"""Import of prospects from CSV files of any layout: `manage.py import_clients`."""
