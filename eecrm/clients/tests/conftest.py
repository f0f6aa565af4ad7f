import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from clients.tests.lists import stored


@pytest.fixture
def import_(world, tmp_path):
    """Imports a file, or the text of one, for the user *sales*; what was printed comes back."""

    def run(source, *options, sales_contact="sales"):
        path = source if isinstance(source, Path) else tmp_path / "list.csv"
        if isinstance(source, str):
            path.write_bytes(source.encode())
        elif isinstance(source, bytes):
            path.write_bytes(source)
        output = io.StringIO()
        call_command(
            "import_clients", str(path), f"--sales-contact={sales_contact}", "--verbosity=0", *options, stdout=output
        )
        return output.getvalue()

    return run


@pytest.fixture
def refused(import_):
    """The sentences with which an import is refused, after which nothing has changed."""

    def run(source, *options, **more):
        before = stored()
        with pytest.raises(CommandError) as refusal:
            import_(source, *options, **more)
        assert stored() == before
        assert refusal.value.returncode == 1
        return str(refusal.value)

    return run
