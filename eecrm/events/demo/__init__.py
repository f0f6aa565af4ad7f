"""A company to try things out with: its accounts, its clients, and what they celebrate. `manage.py load_demo`."""


class CannotLoad(Exception):
    """Why the demo can't be loaded, in a sentence."""
