"""The tables of rate limits and idempotency keys. Both have no model: one statement each reads and writes them."""

from django.conf import settings
from django.db import migrations

# One row a bucket: the time until which it is filled. A time in the past is an empty bucket (GCRA, the leaky bucket as a
# meter of ITU-T I.371). Unlogged because a crash of PostgreSQL may empty the buckets.
LIMITS = "CREATE UNLOGGED TABLE api_limit (bucket text PRIMARY KEY, filled_until timestamptz NOT NULL)"

# A request claims a key, and stores its answer at the end of its transaction: no other request sees one without the other.
# `request` is a digest of path and body. `row_id` is the row that was made.
IDEMPOTENCY = """
CREATE TABLE api_idempotency (
    user_id bigint NOT NULL REFERENCES accounts_user ON DELETE CASCADE,
    key text NOT NULL CHECK (key ~ '^[ -~]{1,255}$'),
    request text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    row_id bigint,
    status smallint CHECK (status BETWEEN 200 AND 299),
    headers jsonb,
    body text,
    PRIMARY KEY (user_id, key)
)
"""
INDEX = "CREATE INDEX api_idempotency_created_at ON api_idempotency (created_at)"


class Migration(migrations.Migration):
    initial = True

    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [migrations.RunSQL([LIMITS, IDEMPOTENCY, INDEX], "DROP TABLE api_idempotency, api_limit")]
