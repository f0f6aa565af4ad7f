"""Reads CSV files that users import, describes the problems in them, and writes CSV files.

This package depends on no model.
"""


class CannotImport(Exception):
    """Raised if a file is refused as a whole: none of its rows is imported. The message lists the problems."""
