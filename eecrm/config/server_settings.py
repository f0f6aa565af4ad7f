"""Settings of the web server (deploy/gunicorn.conf.py)."""

from config.environment import number

PORT = number("PORT", "PORT is a number from 1 to 65535.", 1, 65535, default=8000)
# Set one worker process for each processor. A worker takes 40 MiB of memory.
# More workers don't help: on 2 processors, 4 workers serve 0.96 times the list requests of 2 workers.
# If PostgreSQL runs on another machine, set two worker processes for each processor.
# With PostgreSQL on another machine, a request waits for PostgreSQL nearly as long as it computes.
WEB_CONCURRENCY = number("WEB_CONCURRENCY", "WEB_CONCURRENCY is a number from 1 to 1,000.", 1, 1_000, default=2)
