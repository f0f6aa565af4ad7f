-- Seals the entries of transactions that have ended. It makes at most `most` seals, each for at most 1,000 entries.
--
-- An entry becomes visible when its transaction commits, perhaps after entries with higher ids.
-- So the newest entries can't be sealed immediately: an entry with a lower id might follow.
-- The table `boundary` holds an entry id, and a transaction id that was assigned after this entry id.
-- A transaction gets its own id before the ids of its entries.
-- So when all transactions up to the stored one have ended, no entry up to the stored id can follow.
--
-- The stored transaction id is that of this function's transaction, assigned after it has read the newest entry id.
-- `pg_snapshot_xmax` would be wrong, because running transactions may have higher ids.
-- Read-only transactions, such as backups, don't delay seals. Open transactions that have written do.
-- A stored transaction id in the future means that the database was restored from another cluster. Then it is replaced.
--
-- A lock on the row of `boundary` prevents two sessions from sealing at the same time.
-- Only the table's owner can lock this row, whereas any role could take an advisory lock.
-- No session waits for the lock, because of SKIP LOCKED.
-- Time zone and bytea format are set, because a row's text, which is hashed, depends on them.
-- In this text, NULL and JSON's null look the same. So the number of NULLs is hashed, too.
CREATE OR REPLACE FUNCTION audit.seal_closed(most integer) RETURNS SETOF audit.seal
LANGUAGE plpgsql SECURITY DEFINER SET search_path = audit, pg_temp SET timezone = 'UTC' SET bytea_output = 'hex'
AS $function$
DECLARE
    newest bigint;
    closed audit.boundary;
    made audit.seal;
    digests bytea;
BEGIN
    IF current_setting('role') <> 'none' THEN
        RAISE insufficient_privilege
            USING MESSAGE = 'Only the login role itself may do this, before it enters another.';
    END IF;
    IF pg_current_xact_id_if_assigned() IS NOT NULL THEN
        RAISE EXCEPTION 'audit.seal_closed() must be the first to write in its transaction.';
    END IF;
    SELECT max(id) INTO newest FROM entry;
    IF newest IS NULL OR newest <= (SELECT max(last_id) FROM seal) THEN
        RETURN;
    END IF;
    SELECT * INTO closed FROM boundary FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT * INTO made FROM seal ORDER BY id DESC LIMIT 1;
    made.last_id := coalesce(made.last_id, 0);
    IF closed.xid <= pg_snapshot_xmin(pg_current_snapshot()) THEN
        FOR turn IN 1 .. most LOOP
            EXIT WHEN made.last_id >= closed.last_id;
            made.id := coalesce(made.id, 0) + 1;
            made.first_id := made.last_id + 1;
            made.previous_hash := coalesce(made.hash, '');
            SELECT count(*), CASE WHEN count(*) < 1000 THEN closed.last_id ELSE max(id) END,
                   coalesce(string_agg(sha256(convert_to(to_jsonb(batch)::text || num_nulls(old, new), 'UTF8')), ''
                                       ORDER BY id), '')
              INTO made.entries, made.last_id, digests
              FROM (SELECT * FROM entry WHERE id BETWEEN made.first_id AND closed.last_id
                     ORDER BY id LIMIT 1000) AS batch;
            made.sealed_at := clock_timestamp();
            made.hash := sha256(convert_to((to_jsonb(made) - 'hash')::text, 'UTF8') || digests);
            INSERT INTO seal SELECT made.*;
            RETURN NEXT made;
        END LOOP;
    END IF;
    IF made.last_id >= closed.last_id OR closed.xid > pg_current_xact_id() THEN
        UPDATE boundary SET last_id = newest, xid = pg_current_xact_id();
    END IF;
END
$function$;
