from django.db import migrations

# One row a bucket: until when what has been taken fills it. What lies in the past is an empty bucket (GCRA, the leaky
# bucket as a meter of ITU-T I.371). A crash of PostgreSQL may empty it: counters need no write-ahead log.
TABLE = "CREATE UNLOGGED TABLE api_limit (bucket text PRIMARY KEY, filled_until timestamptz NOT NULL)"

# Buckets are locked in the order in which they are named, so that callers name them in the same order everywhere.
# A negative `wanted` gives back.
FUNCTION = """
CREATE FUNCTION take_limits(buckets text[], wanted integer[], capacities integer[], seconds double precision[])
RETURNS TABLE (granted integer, remaining integer, wait double precision)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $limits$
DECLARE
    moment timestamptz := clock_timestamp();
    full_until timestamptz;
    spacing double precision;
    free integer;
BEGIN
    FOR place IN 1 .. cardinality(buckets) LOOP
        spacing := seconds[place] / capacities[place];
        INSERT INTO api_limit VALUES (buckets[place], moment) ON CONFLICT DO NOTHING;
        SELECT greatest(filled_until, moment) INTO full_until FROM api_limit WHERE bucket = buckets[place] FOR UPDATE;
        free := greatest(0, floor((seconds[place] - extract(epoch FROM full_until - moment)) / spacing + 1e-6));
        granted := least(wanted[place], free);
        remaining := least(capacities[place], free - granted);
        full_until := greatest(moment, full_until + make_interval(secs => granted * spacing));
        UPDATE api_limit SET filled_until = full_until WHERE bucket = buckets[place];
        wait := greatest(0, extract(epoch FROM full_until - moment) + spacing - seconds[place]);
        RETURN NEXT;
    END LOOP;
END
$limits$
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.RunSQL(TABLE, "DROP TABLE api_limit"),
        migrations.RunSQL(FUNCTION, "DROP FUNCTION take_limits(text[], integer[], integer[], double precision[])"),
    ]
