"""Reads CSV files of users, describes their problems, and writes CSV files. It knows no model."""


class CannotImport(Exception):
    """Raised if nothing of a file can be imported. Its first line says so, and further lines name the problems."""
