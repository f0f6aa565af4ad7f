"""Demo data: sample accounts, clients, contracts and events. The command `manage.py load_demo` loads them."""


class CannotLoad(Exception):
    """Raised if the demo data can't be loaded. The message is a sentence for users."""
