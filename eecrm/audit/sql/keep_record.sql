-- The record of a row without rules of its own: its key, version and times are PostgreSQL's to write. The argument is the noun.
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
