"""Lists of prospects from files that somebody else made: `manage.py import_clients`."""


class CannotImport(Exception):
    """Why nothing of this file can be imported, in sentences."""
