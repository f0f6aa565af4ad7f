"""Tables in files that people and their programs made, whatever they hold: reading, naming what is wrong, writing."""


class CannotImport(Exception):
    """Why nothing of this file can be imported, in sentences: the first line says so, further ones name the problems."""
