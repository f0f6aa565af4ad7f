from django.conf import settings
from django.db import migrations

# A key that a request has claimed and, from the end of its transaction, what was answered: nobody else ever sees the one
# without the other. `request` is a digest of path and body, `row_id` the row that was made.
TABLE = """
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
    dependencies = [("api", "0001_limits"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [migrations.RunSQL([TABLE, INDEX], "DROP TABLE api_idempotency")]
