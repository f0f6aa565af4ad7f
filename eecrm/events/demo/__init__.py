"""Demo data: sample accounts, clients, contracts and events. Loaded by `manage.py load_demo`."""


class CannotLoad(Exception):
    """Raised if the demo can't be loaded. The message is a sentence for users."""
