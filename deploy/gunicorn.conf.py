"""How gunicorn serves the API, on a laptop and in production: `gunicorn --config deploy/gunicorn.conf.py`.

An option on the command line goes before what is said here, such as `--bind 0.0.0.0:8000` in a container.
"""

import gc
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
chdir = str(ROOT / "eecrm")
sys.path.insert(0, chdir)  # gunicorn does that too, but only after it has read this file.

from config.environment import number  # noqa: E402  # only now is it on the path

wsgi_app = "config.wsgi:application"
bind = f"127.0.0.1:{number('PORT', 'PORT is a number from 1 to 65535.', 1, 65535, default=8000)}"

# As many as there are processors for them, or twice as many where PostgreSQL has others: a request waits for it nearly as
# long as it computes. More do no more (4 on 2 processors: 0.96 times the list's requests) and take 40 MiB each.
workers = number("WEB_CONCURRENCY", "WEB_CONCURRENCY is a number from 1 to 1,000.", 1, 1_000, default=2)

# Loaded once, before there are workers: one that dies is back within milliseconds, and while the database is away too (to
# load asks it as whom we log in, and gunicorn gives up altogether when a worker can't load). New code wants a restart.
preload_app = True


def when_ready(_arbiter: object) -> None:
    """What is loaded by now stays. A garbage collector that never looks at it leaves its pages to be shared by all workers: 16
    MiB of its own a worker instead of 37. They end in a quarter of the time, too."""
    gc.freeze()


# `scripts/bench workers`: for the same requests, threads use 1.4 times the processor time (1.25 times where they keep
# connections, which sync workers close), and each keeps Argon2's 19 MiB: 150 MiB a worker instead of 90. But whoever
# connects to a sync worker and is slow keeps it from everybody else: it wants a proxy in front that takes in a whole
# request before it passes it on, and a whole answer, as nginx does by itself.
worker_class = "sync"

# Longer than PostgreSQL lets a statement of eecrm_app run, so that a slow request ends with an answer and a rollback.
timeout = 30
graceful_timeout = 10

# Workers prove that they live by touching a file, which a busy disk can delay until they are taken for dead.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None

# Every parameter of a list at once still fits, percent-encoded; the most that gunicorn takes.
limit_request_line = 8190

# A browser behind three proxies sends some 40. A hundred of the longest, which gunicorn takes by itself, cost two logins.
limit_request_fields = 60
limit_request_field_size = (
    8190  # bytes of a line; the longest token that is read (accounts.login.authentication) fits in one
)

# A second way to control the server, through a socket in the home directory, that nobody uses here.
control_socket_disable = True
