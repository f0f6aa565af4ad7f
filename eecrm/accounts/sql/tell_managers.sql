-- News for managers: a mail lists what the one before didn't. What may let a manager into another account goes at
-- once; the rest waits until a day after the last mail. A mail that a worker may write before this transaction ends
-- leaves out what happens in it: each transaction has one of its own, and one that finds all told already isn't sent.
CREATE OR REPLACE FUNCTION tell_managers(at_once boolean) RETURNS void
LANGUAGE sql
AS $function$
    INSERT INTO accounts_mail (kind, user_id, address, created_at, due_at)
    SELECT 'account_news', manager.id, '', now(), CASE WHEN at_once THEN statement_timestamp() ELSE greatest(
               statement_timestamp(), (
                   SELECT max(sent_at) FROM accounts_mail WHERE user_id = manager.id AND kind = 'account_news'
               ) + interval '1 day') END
      FROM accounts_user AS manager
     WHERE manager.is_active AND (manager.role = 'management' OR manager.is_superuser)
       AND manager.email_confirmed_at IS NOT NULL
       AND NOT EXISTS (SELECT FROM accounts_mail WHERE user_id = manager.id AND kind = 'account_news'
                          AND sent_at IS NULL AND given_up_at IS NULL AND attempts = 0
                          AND (created_at = now() AND (due_at <= statement_timestamp() OR NOT at_once)  -- our own
                               OR NOT at_once AND due_at > statement_timestamp() + interval '1 hour'))
$function$;
