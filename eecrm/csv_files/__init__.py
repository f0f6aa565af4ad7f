"""Reads CSV files of users, describes their problems, and writes CSV files. It knows no model."""


class CannotImport(Exception):
    """Raised if nothing of a file can be imported. The message says so in its first line, then lists the problems."""
