"""Configuration of gunicorn, on a laptop and in production: `gunicorn --config deploy/gunicorn.conf.py`.

Options on the command line override this file, for example `--bind 0.0.0.0:8000` in a container.
"""

import gc
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
chdir = str(ROOT / "eecrm")
sys.path.insert(0, chdir)  # gunicorn also adds this path, but only after it has read this file

from config.settings import PORT, WEB_CONCURRENCY  # noqa: E402  # found only after the path was added

wsgi_app = "config.wsgi:application"
bind = f"127.0.0.1:{PORT}"
workers = WEB_CONCURRENCY

# gunicorn loads the code once, before it starts workers. So gunicorn needs only milliseconds to replace a worker.
# Loading the code needs the database.
# If each worker loaded the code itself, gunicorn would exit when a worker starts while the database is down.
# After an update of the code, gunicorn must be restarted.
preload_app = True


def when_ready(_arbiter: object) -> None:
    """Excludes the loaded code from garbage collection, so that the workers keep sharing the memory pages of the code.

    Besides the shared pages, a worker then needs 16 MiB instead of 37 MiB. A worker also ends four times as fast.
    """
    gc.freeze()


# Workers without threads ("sync") need less time and memory, as `scripts/bench workers` has measured.
# Workers with threads use 1.4 times the processor time of workers without threads.
# If HTTP connections are kept open between requests, workers with threads use 1.25 times the processor time.
# A worker with four threads takes 150 MiB instead of 90, because Argon2 leaves 19 MiB in each thread.
# A slow client blocks a sync worker, so gunicorn must be behind a proxy.
# The proxy must buffer whole requests and answers, as nginx does by default.
worker_class = "sync"

# gunicorn kills a worker that is busy for this number of seconds.
# This worker timeout is longer than the statement_timeout of eecrm_app (bootstrap.sql).
# So PostgreSQL stops a slow SQL statement before gunicorn kills the worker, and the sender gets an answer.
timeout = 30
graceful_timeout = 10

# Workers touch a file in this directory as a heartbeat. gunicorn kills a worker without a heartbeat.
# The directory is in memory, because a busy disk could delay the heartbeat.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None

# This is the maximum length of a request line in bytes, and the largest value that gunicorn allows.
# A percent-encoded URL with all parameters of a list fits into this length.
limit_request_line = 8190

# This is the maximum number of headers in a request. A browser behind three proxies sends about 40.
# With gunicorn's default, 100 headers, a request could cost as much processor time as two logins.
limit_request_fields = 60
limit_request_field_size = 8190  # maximum bytes of a header; the longest accepted token fits in

# gunicorn would make a control socket in the home directory. The socket is turned off, because nothing here uses it.
control_socket_disable = True
