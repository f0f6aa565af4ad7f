-- Trigger function that sets the version and the times of a row, so that no client can choose them.
-- Tables without a trigger function of their own use it. The argument is the name of the resource, such as 'venue'.
CREATE OR REPLACE FUNCTION keep_record() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        NEW.version := OLD.version + 1;
        NEW.updated_at := statement_timestamp();
        RETURN NEW;
    END IF;
    PERFORM require_restore(TG_ARGV[0], TG_TABLE_NAME, NEW.id);
    IF NOT policy_allows(TG_ARGV[0] || '.restore') THEN
        NEW.version := 1;
        NEW.created_at := statement_timestamp();
        NEW.updated_at := statement_timestamp();
    END IF;
    RETURN NEW;
END
$function$;
