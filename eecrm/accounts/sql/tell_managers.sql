-- Queues a mail with news of accounts to each manager. The mail lists what the manager's earlier ones didn't.
-- With `at_once` it is sent immediately, for changes that may let a manager into another account. Otherwise it waits
-- until a day after the last mail.
-- Each transaction queues its own mail, because a worker may write an earlier mail before this transaction commits. The
-- worker drops a mail if all of its news was sent already.
-- EXCEPT and not a join: an import that makes thousands of managers is planned as if there were few managers and no mails.
CREATE OR REPLACE FUNCTION tell_managers(at_once boolean) RETURNS void
LANGUAGE sql
AS $function$
    INSERT INTO accounts_mail (kind, user_id, address, created_at, due_at)
    SELECT 'account_news', manager.id, '', now(), CASE WHEN at_once THEN statement_timestamp() ELSE greatest(
               statement_timestamp(), (
                   SELECT max(sent_at) FROM accounts_mail WHERE user_id = manager.id AND kind = 'account_news'
               ) + interval '1 day') END
      FROM (SELECT id FROM accounts_user
             WHERE is_active AND (role = 'management' OR is_superuser) AND email_confirmed_at IS NOT NULL
            EXCEPT
            SELECT user_id FROM accounts_mail
             WHERE kind = 'account_news' AND sent_at IS NULL AND given_up_at IS NULL AND attempts = 0
               AND (created_at = now() AND (due_at <= statement_timestamp() OR NOT at_once)  -- our own
                    OR NOT at_once AND due_at > statement_timestamp() + interval '1 hour')) AS manager
$function$;
