-- Rules of leave covers: a substitute counts as owner of the rows of a colleague (`colleague_id`) who is on leave.
CREATE OR REPLACE FUNCTION cover_rules() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        NEW.granted_by_id := OLD.granted_by_id;
        NEW.created_at := OLD.created_at;
        IF (NEW.id, NEW.colleague_id, NEW.substitute_id, NEW.starts_at, NEW.reason)
           IS DISTINCT FROM (OLD.id, OLD.colleague_id, OLD.substitute_id, OLD.starts_at, OLD.reason)
           OR NEW.ends_at > OLD.ends_at THEN
            PERFORM refuse('cover_only_ends_early');
        END IF;
        -- Roles with the action *restore* load fixtures and backups, so they may also write covers of the past.
        IF NOT policy_allows('cover.restore') AND NEW.ends_at <> OLD.ends_at THEN
            IF OLD.ends_at <= statement_timestamp() THEN
                PERFORM refuse('cover_past_stays');
            END IF;
            -- The end can't be set to a time in the past, because the substitute was allowed to act until now.
            NEW.ends_at := GREATEST(NEW.ends_at, OLD.starts_at, statement_timestamp());
        END IF;
        RETURN NEW;
    END IF;
    NEW.granted_by_id := nullif(current_setting('eecrm.user_id', true), '')::bigint;
    NEW.created_at := statement_timestamp();
    IF NOT policy_allows('cover.restore') THEN
        NEW.starts_at := GREATEST(NEW.starts_at, statement_timestamp());
        IF NEW.ends_at <= statement_timestamp() THEN
            PERFORM refuse('cover_ends_in_future');
        END IF;
        IF NEW.ends_at <= NEW.starts_at THEN
            PERFORM refuse('cover_ends_after_start');
        END IF;
    END IF;
    -- Lock both accounts, so that a concurrent change of role or deactivation waits. Locks in order of id don't
    -- deadlock.
    PERFORM FROM accounts_user WHERE id IN (NEW.colleague_id, NEW.substitute_id) ORDER BY id FOR SHARE;
    IF EXISTS (SELECT FROM accounts_user WHERE id IN (NEW.colleague_id, NEW.substitute_id)
                  AND (is_superuser OR NOT is_active OR role NOT IN ('sales', 'support'))) THEN
        PERFORM refuse('cover_between_contacts');
    END IF;
    IF (SELECT count(DISTINCT role) FROM accounts_user WHERE id IN (NEW.colleague_id, NEW.substitute_id)) > 1 THEN
        PERFORM refuse('cover_same_role');
    END IF;
    -- Two concurrent inserts may both pass this check. That is harmless: two equal covers give the same rights as one.
    IF EXISTS (SELECT FROM accounts_cover
                WHERE colleague_id = NEW.colleague_id AND substitute_id = NEW.substitute_id
                  AND starts_at < NEW.ends_at AND ends_at > NEW.starts_at) THEN
        PERFORM refuse('cover_once');
    END IF;
    RETURN NEW;
END
$function$;

CREATE OR REPLACE TRIGGER cover_rules
BEFORE INSERT OR UPDATE ON accounts_cover
FOR EACH ROW EXECUTE FUNCTION cover_rules();
