"""Settings of the web server (deploy/gunicorn.conf.py)."""

from config.environment import number

PORT = number("PORT", "PORT is a number from 1 to 65535.", 1, 65535, default=8000)
# One worker for each processor, or two where PostgreSQL runs on another machine, because a request waits for it nearly
# as long as it computes. More workers don't help: 4 on 2 processors serve 0.96 times the list requests. A worker takes
# 40 MiB.
WEB_CONCURRENCY = number("WEB_CONCURRENCY", "WEB_CONCURRENCY is a number from 1 to 1,000.", 1, 1_000, default=2)
