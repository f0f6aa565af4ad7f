"""Reads CSV files that users import, describes the problems in them, and writes CSV files.

This package depends on no model.
"""


class CannotImport(Exception):
    """Raised if no row of a file can be imported. The message says so in its first line, then lists the problems."""
