"""Configuration of gunicorn, on a laptop and in production: `gunicorn --config deploy/gunicorn.conf.py`.

Options on the command line override this file, for example `--bind 0.0.0.0:8000` in a container.
"""

import gc
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
chdir = str(ROOT / "eecrm")
sys.path.insert(0, chdir)  # gunicorn does that too, but only after it has read this file.

# All settings, because a start then names the faults of all at once.
from config.settings import PORT, WEB_CONCURRENCY  # noqa: E402  # needs the path above

wsgi_app = "config.wsgi:application"
bind = f"127.0.0.1:{PORT}"
workers = WEB_CONCURRENCY

# The code is loaded once, before the workers start, so a worker that died is replaced within milliseconds.
# Loading queries the database for the role of its login. Without preloading, gunicorn would exit if a worker started
# during a database outage. New code needs a restart of gunicorn.
preload_app = True


def when_ready(_arbiter: object) -> None:
    """Excludes the loaded code from garbage collection, so that its memory pages stay shared by all workers.

    A worker has 16 MiB of its own instead of 37, and ends in a quarter of the time.
    """
    gc.freeze()


# Results of `scripts/bench workers`: for the same requests, threads use 1.4 times the processor time (1.25 times with
# kept connections, which sync workers close). Each thread keeps Argon2's 19 MiB: 150 MiB a worker instead of 90.
# A slow client blocks a sync worker, so a proxy must stand in front that buffers whole requests and answers, as nginx
# does by default.
worker_class = "sync"

# Seconds. Longer than the statement_timeout of eecrm_app, so that a slow request ends with an answer and a rollback.
timeout = 30
graceful_timeout = 10

# Workers touch a file as a heartbeat. A busy disk could delay that until gunicorn kills them, so it is in memory.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None

# The maximum of gunicorn. All parameters of a list fit in, percent-encoded.
limit_request_line = 8190

# A browser behind three proxies sends about 40 headers. gunicorn's default of 100, at the maximum size, would cost as
# much as two logins.
limit_request_fields = 60
limit_request_field_size = 8190  # Bytes of a line. The longest accepted token (accounts.login.authentication) fits in.

# gunicorn's control socket in the home directory isn't used here.
control_socket_disable = True
