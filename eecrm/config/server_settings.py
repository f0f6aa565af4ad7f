"""Settings of the web server (deploy/gunicorn.conf.py)."""

from config.environment import number

PORT = number("PORT", "PORT is a number from 1 to 65535.", 1, 65535, default=8000)
# Set one worker process for each processor. A worker takes 40 MiB of memory.
# More workers don't help: on 2 processors, 4 workers serve 4 % fewer list requests than 2 workers.
# If PostgreSQL runs on another machine, set two worker processes for each processor.
# In this case a worker spends nearly as much time on waiting for PostgreSQL as on computing.
WEB_CONCURRENCY = number("WEB_CONCURRENCY", "WEB_CONCURRENCY is a number from 1 to 1,000.", 1, 1_000, default=2)
