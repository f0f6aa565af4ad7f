-- Takes `wanted` requests from each rate limit bucket; a negative number gives requests back. Buckets are locked in the
-- order of the array. All callers must use the same order, or two calls can deadlock.
CREATE OR REPLACE FUNCTION take_limits(buckets text[], wanted integer[], capacities integer[], seconds double precision[]) RETURNS TABLE(granted integer, remaining integer, wait double precision)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
DECLARE
    moment timestamptz := clock_timestamp();
    full_until timestamptz;
    spacing double precision;
    free integer;
    is_new boolean;
BEGIN
    IF current_setting('role') <> 'none' THEN
        RAISE insufficient_privilege USING MESSAGE = 'Only the login role itself may do this, before it enters another.';
    END IF;
    FOR place IN 1 .. cardinality(buckets) LOOP
        spacing := seconds[place] / capacities[place];
        LOOP
            SELECT greatest(filled_until, moment) INTO full_until FROM api_limit WHERE bucket = buckets[place] FOR UPDATE;
            is_new := NOT FOUND;
            full_until := coalesce(full_until, moment);
            free := greatest(0, floor((seconds[place] - extract(epoch FROM full_until - moment)) / spacing + 1e-6));
            granted := least(wanted[place], free);
            remaining := least(capacities[place], free - granted);
            full_until := greatest(moment, full_until + make_interval(secs => granted * spacing));
            wait := greatest(0, extract(epoch FROM full_until - moment) + spacing - seconds[place]);
            IF is_new THEN
                INSERT INTO api_limit VALUES (buckets[place], full_until) ON CONFLICT DO NOTHING;
                CONTINUE WHEN NOT FOUND;  -- another transaction has inserted the row meanwhile
            ELSE
                UPDATE api_limit SET filled_until = full_until WHERE bucket = buckets[place];
            END IF;
            EXIT;
        END LOOP;
        RETURN NEXT;
        EXIT WHEN granted = 0;
    END LOOP;
END
$function$;
