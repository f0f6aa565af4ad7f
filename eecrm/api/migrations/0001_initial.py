"""The tables of rate limits and idempotency keys. They have no models, because only a few SQL statements use them."""

from django.conf import settings
from django.db import migrations

# One row for each bucket of a rate limit. `filled_until` is the time at which all its requests are available again
# (GCRA, "leaky bucket as a meter" in ITU-T I.371). The table is unlogged, because a crash may reset the limits.
LIMITS = "CREATE UNLOGGED TABLE api_limit (bucket text PRIMARY KEY, filled_until timestamptz NOT NULL)"

# A request inserts its key first and stores its answer at the end of the same transaction. So other requests see both
# or neither. `request` is a digest of path and body. `row_id` is the key of the created row.
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
