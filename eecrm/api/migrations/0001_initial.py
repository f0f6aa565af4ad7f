"""Creates the tables of rate limits and idempotency keys.

The tables have no Django models, because only a few SQL statements use them.
"""

from django.conf import settings
from django.db import migrations

# Each row is a bucket: the counter of one rate limit for one caller.
# At the time `filled_until`, the bucket is full again: the caller may use the whole limit.
# Rate limits are counted by GCRA ("leaky bucket as a meter" in ITU-T I.371).
# The table is unlogged, so a crash of PostgreSQL empties it. This resets all rate limits, which does no harm.
LIMITS = "CREATE UNLOGGED TABLE api_limit (bucket text PRIMARY KEY, filled_until timestamptz NOT NULL)"

# A request inserts its idempotency key first and stores its answer at the end of the same transaction.
# So other requests see both the idempotency key and the stored answer, or neither.
# The column `request` has a hash of the request's path and body. The column `row_id` has the id of the created row.
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
