-- Makes the roles, the database and the schema of Epic Events, on a laptop and in production alike.
--
--   PG_DATABASE=eecrm PG_PASSWORD=… PG_MIGRATOR_PASSWORD=… PG_REPORT_PASSWORD=… PG_BACKUP_PASSWORD=… \
--   psql -X -q -v ON_ERROR_STOP=1 -f deploy/postgres/bootstrap.sql postgres
--
-- Run it as a superuser, or as a role with CREATEROLE, CREATEDB and INHERIT such as a managed service gives; it says what
-- only a superuser could have done. Running it again takes back what was changed by hand, and the passwords become those
-- of the environment: that is how they are rotated. Run it again after a restore and after an upgrade of PostgreSQL.
-- It needs psql 14 for \getenv and a server from PostgreSQL 15 on.

\set ON_ERROR_STOP on
SET client_min_messages = warning;

SELECT current_setting('is_superuser')::boolean AS is_superuser,
       current_setting('server_version_num')::integer >= 160000 AS grants_have_options
\gset

-- Passwords travel in the text of ALTER ROLE, so nothing that keeps statements may see them. Only a superuser can say so.
\if :is_superuser
    SET log_statement = 'none';
    SET log_min_duration_statement = -1;
    SET log_min_error_statement = 'panic';
    SET pg_stat_statements.track_utility = off;
\endif

-- Through the environment, because everybody on the machine can read a command line.
\set database ''
\set app_password ''
\set migrator_password ''
\set report_password ''
\set backup_password ''
\getenv database PG_DATABASE
\getenv app_password PG_PASSWORD
\getenv migrator_password PG_MIGRATOR_PASSWORD
\getenv report_password PG_REPORT_PASSWORD
\getenv backup_password PG_BACKUP_PASSWORD

SELECT '' IN (:'database', :'app_password', :'migrator_password', :'report_password', :'backup_password') AS is_incomplete
\gset
\if :is_incomplete
    DO $$ BEGIN
        RAISE 'Set PG_DATABASE, PG_PASSWORD, PG_MIGRATOR_PASSWORD, PG_REPORT_PASSWORD and PG_BACKUP_PASSWORD.';
    END $$;
\endif

-- Roles belong to the whole server: two runs for two of its databases take turns until each connects to its own.
SELECT pg_advisory_lock(hashtext('eecrm bootstrap')) AS locked
\gset

---------------------------------------------------------------------------------------------------------------- roles

-- One group for each role of the application. Their privileges come from the policy table, with `manage.py migrate`.
\set groups '{eecrm_external,eecrm_sales,eecrm_support,eecrm_management,eecrm_auditor,eecrm_superuser}'
\set logins '{eecrm_migrator,eecrm_app,eecrm_report,eecrm_backup}'

SELECT format('CREATE ROLE %I NOLOGIN', name)
FROM unnest(:'groups'::name[] || :'logins'::name[] || 'eecrm_owner'::name) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

-- Only where something is wrong, because naming these attributes at all takes a superuser. Only backups pass row security.
SELECT format('ALTER ROLE %I NOSUPERUSER NOBYPASSRLS NOREPLICATION', name)
FROM unnest(:'groups'::name[] || :'logins'::name[] || 'eecrm_owner'::name) AS name
JOIN pg_roles ON rolname = name
WHERE rolsuper OR rolreplication OR rolbypassrls AND rolname <> 'eecrm_backup'
\gexec

SELECT format('ALTER ROLE %I NOLOGIN NOCREATEDB NOCREATEROLE', name)
FROM unnest(:'groups'::name[] || 'eecrm_owner'::name) AS name
\gexec

SET password_encryption = 'scram-sha-256';
ALTER ROLE eecrm_migrator LOGIN NOINHERIT NOCREATEDB NOCREATEROLE CONNECTION LIMIT 10 PASSWORD :'migrator_password';
ALTER ROLE eecrm_app LOGIN NOINHERIT NOCREATEDB NOCREATEROLE CONNECTION LIMIT 100 PASSWORD :'app_password';
ALTER ROLE eecrm_report LOGIN NOINHERIT NOCREATEDB NOCREATEROLE CONNECTION LIMIT 5 PASSWORD :'report_password';
ALTER ROLE eecrm_backup LOGIN NOINHERIT NOCREATEDB NOCREATEROLE CONNECTION LIMIT 5 PASSWORD :'backup_password';

-- So that pg_dump reads every row, or fails. Where nobody may give this away, the policies for eecrm_backup let it see
-- every row too, with `pg_dump --enable-row-security`.
DO $$ BEGIN
    IF NOT (SELECT rolbypassrls FROM pg_roles WHERE rolname = 'eecrm_backup') THEN
        ALTER ROLE eecrm_backup BYPASSRLS;
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE WARNING 'eecrm_backup could not be given BYPASSRLS, which takes a superuser here: add --enable-row-security to '
                  'pg_dump, and run manage.py sync_access --check before each dump.';
END $$;

-- A role may give itself settings and nobody can forbid it: each run takes them back, like roles entered by other ways.
SELECT format('ALTER ROLE %I RESET ALL', name) FROM unnest(:'logins'::name[]) AS name
\gexec
SELECT format('REVOKE %I FROM %I', granted.rolname, member.rolname)
FROM pg_auth_members
JOIN pg_roles AS granted ON granted.oid = roleid
JOIN pg_roles AS member ON member.oid = pg_auth_members.member
WHERE member.rolname = ANY (:'groups'::name[] || '{eecrm_app,eecrm_report,eecrm_backup}'::name[])
  AND NOT (member.rolname = 'eecrm_app' AND granted.rolname = ANY (:'groups'::name[]) AND NOT admin_option)
\gexec

-- The web process enters the role of the person it serves, for one transaction, and is nobody before and after.
\if :grants_have_options
    SELECT format('GRANT %I TO eecrm_app WITH INHERIT FALSE, SET TRUE', name) FROM unnest(:'groups'::name[]) AS name
    \gexec
\else
    SELECT format('GRANT %I TO eecrm_app', name) FROM unnest(:'groups'::name[]) AS name
    \gexec
\endif

-- What follows is done as the owner and as the migrator, which a superuser may always become.
\if :is_superuser
\else
    GRANT eecrm_owner, eecrm_migrator TO CURRENT_USER;
\endif

------------------------------------------------------------------------------------------------------------- database

SELECT format('CREATE DATABASE %I OWNER eecrm_owner ENCODING %L TEMPLATE template0', :'database', 'UTF8')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database')
\gexec
ALTER DATABASE :"database" OWNER TO eecrm_owner;

-- For every role, an administrator's too: an open transaction that has written delays seals and offline copies.
ALTER DATABASE :"database" SET idle_in_transaction_session_timeout = '60s';

SELECT format('ALTER ROLE %I IN DATABASE %I RESET ALL', name, :'database') FROM unnest(:'logins'::name[]) AS name
\gexec

ALTER ROLE eecrm_migrator IN DATABASE :"database" SET search_path = eecrm;
ALTER ROLE eecrm_migrator IN DATABASE :"database" SET timezone = 'UTC';
ALTER ROLE eecrm_migrator IN DATABASE :"database" SET statement_timeout = 0;
ALTER ROLE eecrm_migrator IN DATABASE :"database" SET lock_timeout = '10s';

ALTER ROLE eecrm_app IN DATABASE :"database" SET search_path = eecrm;
ALTER ROLE eecrm_app IN DATABASE :"database" SET timezone = 'UTC';
ALTER ROLE eecrm_app IN DATABASE :"database" SET statement_timeout = '15s';
ALTER ROLE eecrm_app IN DATABASE :"database" SET lock_timeout = '5s';
ALTER ROLE eecrm_app IN DATABASE :"database" SET idle_in_transaction_session_timeout = '30s';
-- A page from anywhere costs about what the next one does, in memory and on SSDs: the default of 4 is a spinning disk's.
ALTER ROLE eecrm_app IN DATABASE :"database" SET random_page_cost = 1.1;
-- Statements are short, and those of sync/ ask functions a hundred times: to compile each took 197 s where 1.1 s are needed.
ALTER ROLE eecrm_app IN DATABASE :"database" SET jit = off;

ALTER ROLE eecrm_report IN DATABASE :"database" SET search_path = report;
ALTER ROLE eecrm_report IN DATABASE :"database" SET timezone = 'UTC';
ALTER ROLE eecrm_report IN DATABASE :"database" SET default_transaction_read_only = on;
ALTER ROLE eecrm_report IN DATABASE :"database" SET statement_timeout = '5min';
ALTER ROLE eecrm_report IN DATABASE :"database" SET idle_in_transaction_session_timeout = '60s';

ALTER ROLE eecrm_backup IN DATABASE :"database" SET timezone = 'UTC';
ALTER ROLE eecrm_backup IN DATABASE :"database" SET default_transaction_read_only = on;

-- Statements hold values: hashes of passwords, digests of sessions, names and addresses. Whoever reads the log of the server
-- may not read those, so that it names the error and the rule, and neither the statement nor the row (the DETAIL of a
-- duplicate, and of a deadlock). Where only a superuser can say so, this tells what is left to be said for the server.
SELECT set_config('eecrm.bootstrapped', :'database', false) AS database_name
\gset
DO $$
DECLARE
    one record;
    loud text[] := '{}';
BEGIN
    FOR one IN SELECT * FROM unnest('{eecrm_migrator,eecrm_app,eecrm_report,eecrm_backup}'::text[]) AS login,
                             (VALUES ('log_min_error_statement', 'panic'), ('log_error_verbosity', 'terse'),
                                     ('log_parameter_max_length_on_error', '0'), ('log_statement', 'none'),
                                     ('log_min_duration_statement', '-1'), ('log_min_duration_sample', '-1'),
                                     ('log_transaction_sample_rate', '0')) AS quiet (name, value)
    LOOP
        BEGIN
            EXECUTE format('ALTER ROLE %I IN DATABASE %I SET %s = %L',
                           one.login, current_setting('eecrm.bootstrapped'), one.name, one.value);
        EXCEPTION WHEN insufficient_privilege THEN
            IF current_setting(one.name) <> one.value AND one.name || ' = ' || one.value <> ALL (loud) THEN
                loud := loud || (one.name || ' = ' || one.value);
            END IF;
        END;
    END LOOP;
    IF loud <> '{}' THEN
        RAISE WARNING 'The log of PostgreSQL will hold values of statements, passwords'' hashes among them, and only a superuser '
                      'could forbid it here. Set in the parameters of the server: %. See docs/operations.md.',
                      array_to_string(loud, ', ');
    END IF;
END $$;

-- What each login has from here, noted where the login itself can't write: `access.logins` compares.
SELECT format('COMMENT ON ROLE %I IS %L', rolname, array_to_string(setconfig, E'\n'))
FROM pg_db_role_setting
JOIN pg_roles ON pg_roles.oid = setrole
WHERE rolname = ANY (:'logins'::name[]) AND setdatabase = (SELECT oid FROM pg_database WHERE datname = :'database')
\gexec

\connect :"database"
SET client_min_messages = warning;
BEGIN;
SELECT pg_advisory_xact_lock(hashtext('eecrm bootstrap')) AS locked
\gset

SET LOCAL ROLE eecrm_owner;
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO eecrm_migrator, eecrm_app, eecrm_report, eecrm_backup;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
-- The trail has a schema of its own, and so have the views of reports.
CREATE SCHEMA IF NOT EXISTS eecrm;
CREATE SCHEMA IF NOT EXISTS audit;
CREATE SCHEMA IF NOT EXISTS report;
GRANT USAGE, CREATE ON SCHEMA eecrm, audit, report TO eecrm_migrator;
GRANT USAGE ON SCHEMA eecrm, audit TO eecrm_app, eecrm_backup;
GRANT USAGE ON SCHEMA report TO eecrm_report;
SELECT format('GRANT USAGE ON SCHEMA eecrm, audit TO %I', name) FROM unnest(:'groups'::name[]) AS name
\gexec

-- For the tables that migrations will make, and for those that are there. Nothing for eecrm_app, eecrm_report and the
-- groups: what isn't granted by name is refused.
SET LOCAL ROLE eecrm_migrator;
GRANT SELECT ON ALL TABLES IN SCHEMA eecrm, audit TO eecrm_backup;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA eecrm, audit TO eecrm_backup;
ALTER DEFAULT PRIVILEGES IN SCHEMA eecrm, audit GRANT SELECT ON TABLES TO eecrm_backup;
ALTER DEFAULT PRIVILEGES IN SCHEMA eecrm, audit GRANT SELECT ON SEQUENCES TO eecrm_backup;
ALTER DEFAULT PRIVILEGES IN SCHEMA report GRANT SELECT ON TABLES TO eecrm_report;
-- Not per schema: that could add privileges, but not take away the one that PostgreSQL gives PUBLIC by itself.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
RESET ROLE;

------------------------------------------------------------------------------------------------- functions of PostgreSQL

-- Inside any SELECT, these run a text as a query, write something that outlives the transaction, or hold a lock that
-- others wait for. Grants on tables say nothing about them, and an expression may enter another role before it calls one.
-- These privileges belong to the database: pg_dump and pg_upgrade carry them along, but not for functions that are new in
-- another version.
SELECT set_config('eecrm.closed', '^(' || concat_ws('|',
    '(query|cursor|table|schema|database)_to_xml.*', 'ts_stat', 'ts_rewrite',
    'lo_.*', 'loread', 'lowrite', 'pg_read_.*', 'pg_(try_)?advisory_.*', 'pg_logical_emit_message') || ')$', true) AS closed
\gset

DO $$
DECLARE
    one regprocedure;
    still_open text;
BEGIN
    SET LOCAL client_min_messages = error;  -- PostgreSQL warns of each function that isn't ours to close
    FOR one IN SELECT oid FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
                       AND proname ~ current_setting('eecrm.closed') AND has_function_privilege('public', oid, 'EXECUTE')
    LOOP
        BEGIN
            EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', one);
        EXCEPTION WHEN insufficient_privilege THEN NULL;
        END;
    END LOOP;
    BEGIN
        -- Rules of the database take turns with them; they run as the owner of the tables.
        GRANT EXECUTE ON FUNCTION pg_advisory_xact_lock(bigint), pg_advisory_xact_lock(integer, integer) TO eecrm_migrator;
    EXCEPTION WHEN insufficient_privilege THEN NULL;
    END;
    SET LOCAL client_min_messages = warning;
    SELECT string_agg(DISTINCT proname, ', ') INTO still_open FROM pg_proc
     WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ current_setting('eecrm.closed')
       AND has_function_privilege('public', oid, 'EXECUTE');
    IF still_open IS NOT NULL THEN
        RAISE WARNING 'Only a superuser could close these functions to everybody, so that they stay open: %', still_open;
    END IF;
END $$;

----------------------------------------------------------------------------------------------------- a login of earlier

-- eecrm_report and eecrm_backup took its place. It keeps nothing here, and goes with the last database that knows it.
SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'eecrm_readonly') AS has_readonly
\gset
\if :has_readonly
    \if :is_superuser
    \else
        GRANT eecrm_readonly TO CURRENT_USER;
    \endif
    ALTER ROLE eecrm_readonly NOLOGIN PASSWORD NULL;
    DROP OWNED BY eecrm_readonly;
    DO $$ BEGIN
        DROP ROLE eecrm_readonly;
    EXCEPTION WHEN dependent_objects_still_exist THEN NULL;
    END $$;
\endif
COMMIT;
