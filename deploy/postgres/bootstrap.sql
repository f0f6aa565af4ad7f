-- Creates the roles, the database and the schema of Epic Events, on a laptop and in production.
--
--   PG_DATABASE=eecrm PG_PASSWORD=… PG_MIGRATOR_PASSWORD=… PG_REPORT_PASSWORD=… PG_BACKUP_PASSWORD=… \
--   psql -X -q -v ON_ERROR_STOP=1 -f deploy/postgres/bootstrap.sql postgres
--
-- Run it as a superuser, or as a role with CREATEROLE, CREATEDB and INHERIT, as managed services provide.
-- Without a superuser, it warns about each step that would need one.
-- Running it again undoes changes made by hand, and sets the passwords to those in the environment variables.
-- To change passwords, run it with new ones. Run it again after a restore and after an upgrade of PostgreSQL.
-- This file needs psql 14 or later for \getenv, and PostgreSQL 15 or later.

\set ON_ERROR_STOP on
SET client_min_messages = warning;

SELECT current_setting('is_superuser')::boolean AS is_superuser,
       current_setting('server_version_num')::integer >= 160000 AS grants_have_options
\gset

-- The text of ALTER ROLE contains the passwords, so the server must not log it. Only a superuser can set this.
\if :is_superuser
    SET log_statement = 'none';
    SET log_min_duration_statement = -1;
    SET log_min_error_statement = 'panic';
    SET pg_stat_statements.track_utility = off;
\endif

-- Passwords come from the environment, because other users of the machine can read a command line.
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
-- White space around a value doesn't belong to it, such as a line break at the end of a file (config/environment.py).
SELECT btrim(:'database', E' \t\r\n') AS database, btrim(:'app_password', E' \t\r\n') AS app_password,
       btrim(:'migrator_password', E' \t\r\n') AS migrator_password,
       btrim(:'report_password', E' \t\r\n') AS report_password, btrim(:'backup_password', E' \t\r\n') AS backup_password
\gset

SELECT '' IN (:'database', :'app_password', :'migrator_password', :'report_password', :'backup_password')
    AS is_incomplete
\gset
\if :is_incomplete
    DO $$ BEGIN
        RAISE 'Set PG_DATABASE, PG_PASSWORD, PG_MIGRATOR_PASSWORD, PG_REPORT_PASSWORD and PG_BACKUP_PASSWORD.';
    END $$;
\endif

-- Two runs at the same time, even for two databases, must not change the roles, because the whole server shares them.
-- This lock prevents two runs at the same time. The lock ends at \connect.
SELECT pg_advisory_lock(hashtext('eecrm bootstrap')) AS locked
\gset

---------------------------------------------------------------------------------------------------------------- roles

-- One group role for each role of the application. `manage.py migrate` grants their privileges from the policy table.
\set groups '{eecrm_external,eecrm_sales,eecrm_support,eecrm_management,eecrm_auditor,eecrm_superuser}'
\set logins '{eecrm_migrator,eecrm_app,eecrm_report,eecrm_backup}'

SELECT format('CREATE ROLE %I NOLOGIN', name)
FROM unnest(:'groups'::name[] || :'logins'::name[] || 'eecrm_owner'::name) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

-- Alters only roles with a wrong value, because ALTER ROLE of these attributes needs a superuser in any case.
-- Only eecrm_backup may bypass row security.
SELECT format('ALTER ROLE %I NOSUPERUSER NOBYPASSRLS NOREPLICATION', name)
FROM unnest(:'groups'::name[] || :'logins'::name[] || 'eecrm_owner'::name) AS name
JOIN pg_roles ON rolname = name
WHERE rolsuper OR rolreplication OR rolbypassrls AND rolname <> 'eecrm_backup'
\gexec

SELECT format('ALTER ROLE %I NOLOGIN NOCREATEDB NOCREATEROLE', name)
FROM unnest(:'groups'::name[] || 'eecrm_owner'::name) AS name
\gexec

SET password_encryption = 'scram-sha-256';
SELECT format('ALTER ROLE %I VALID UNTIL %L', name, 'infinity') FROM unnest(:'logins'::name[]) AS name
\gexec
ALTER ROLE eecrm_migrator LOGIN NOINHERIT NOCREATEDB NOCREATEROLE CONNECTION LIMIT 10 PASSWORD :'migrator_password';
ALTER ROLE eecrm_app LOGIN NOINHERIT NOCREATEDB NOCREATEROLE CONNECTION LIMIT 100 PASSWORD :'app_password';
ALTER ROLE eecrm_report LOGIN NOINHERIT NOCREATEDB NOCREATEROLE CONNECTION LIMIT 5 PASSWORD :'report_password';
ALTER ROLE eecrm_backup LOGIN NOINHERIT NOCREATEDB NOCREATEROLE CONNECTION LIMIT 5 PASSWORD :'backup_password';

-- With BYPASSRLS, eecrm_backup ignores row security, so that pg_dump reads all rows.
-- If the current role may not give it, `pg_dump --enable-row-security` reads all rows by the policies for eecrm_backup.
DO $$ BEGIN
    IF NOT (SELECT rolbypassrls FROM pg_roles WHERE rolname = 'eecrm_backup') THEN
        ALTER ROLE eecrm_backup BYPASSRLS;
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE WARNING 'eecrm_backup could not be given BYPASSRLS, which takes a superuser here: add '
                  '--enable-row-security to pg_dump, and run manage.py sync_database --check before each dump.';
END $$;

-- Each run revokes memberships that this file doesn't grant, also those of other roles. Administrators keep theirs.
SELECT format('REVOKE %I FROM %I', granted.rolname, member.rolname)
FROM pg_auth_members
JOIN pg_roles AS granted ON granted.oid = roleid
JOIN pg_roles AS member ON member.oid = pg_auth_members.member
WHERE (member.rolname = ANY (:'groups'::name[] || :'logins'::name[] || 'eecrm_owner'::name)
       OR granted.rolname = ANY (:'groups'::name[] || :'logins'::name[] || 'eecrm_owner'::name)
          AND NOT member.rolsuper AND NOT member.rolcreaterole)
  AND NOT (member.rolname = 'eecrm_app' AND granted.rolname = ANY (:'groups'::name[]) AND NOT admin_option)
\gexec

-- The API logs in as eecrm_app. For each request it sets the caller's group role, for one transaction (SET ROLE).
-- Outside of such a transaction, eecrm_app has no privileges of the group roles.
\if :grants_have_options
    SELECT format('GRANT %I TO eecrm_app WITH INHERIT FALSE, SET TRUE', name) FROM unnest(:'groups'::name[]) AS name
    \gexec
\else
    SELECT format('GRANT %I TO eecrm_app', name) FROM unnest(:'groups'::name[]) AS name
    \gexec
\endif

-- The next steps set the roles eecrm_owner and eecrm_migrator, which only superusers and members of these roles may do.
\if :is_superuser
\else
    GRANT eecrm_owner, eecrm_migrator TO CURRENT_USER;
\endif

------------------------------------------------------------------------------------------------------------- database

SELECT format('CREATE DATABASE %I OWNER eecrm_owner ENCODING %L TEMPLATE template0', :'database', 'UTF8')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database')
\gexec
ALTER DATABASE :"database" OWNER TO eecrm_owner;

-- PostgreSQL lets each role change its own settings, so each run of this file resets them.
-- One transaction resets them and sets them again. Otherwise a worker that connects in between would have none of them,
-- not even the search_path, as long as its connection is open.
BEGIN;
SELECT pg_advisory_xact_lock(hashtext('eecrm bootstrap')) AS locked
\gset
SELECT format('ALTER ROLE %I RESET ALL', name) FROM unnest(:'logins'::name[]) AS name
\gexec
ALTER DATABASE :"database" RESET ALL;
-- For all roles, also administrators: an open transaction that has written delays the audit trail's seals and `sync/`.
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
-- PostgreSQL's default, 4, is for rotating disks. In memory and on SSDs, a random page costs about as much as the next.
ALTER ROLE eecrm_app IN DATABASE :"database" SET random_page_cost = 1.1;
-- JIT compilation takes longer than it saves, because statements are short.
-- Statements of `sync/` call functions a hundred times, and took 197 s with JIT instead of 1.1 s.
ALTER ROLE eecrm_app IN DATABASE :"database" SET jit = off;

ALTER ROLE eecrm_report IN DATABASE :"database" SET search_path = report;
ALTER ROLE eecrm_report IN DATABASE :"database" SET timezone = 'UTC';
ALTER ROLE eecrm_report IN DATABASE :"database" SET default_transaction_read_only = on;
ALTER ROLE eecrm_report IN DATABASE :"database" SET statement_timeout = '5min';
ALTER ROLE eecrm_report IN DATABASE :"database" SET idle_in_transaction_session_timeout = '60s';
-- A report that sorts or joins too much ends, before its temporary files fill the disk of the database.
\if :is_superuser
    ALTER ROLE eecrm_report IN DATABASE :"database" SET temp_file_limit = '2GB';
\else
    DO $$ BEGIN
        IF current_setting('temp_file_limit') = '-1' THEN
            RAISE WARNING 'Only a superuser could limit the temporary files of eecrm_report here: set temp_file_limit '
                          'in the parameters of the server.';
        END IF;
    END $$;
\endif

ALTER ROLE eecrm_backup IN DATABASE :"database" SET timezone = 'UTC';
ALTER ROLE eecrm_backup IN DATABASE :"database" SET default_transaction_read_only = on;

-- Statements contain password hashes, session digests, names and addresses. Readers of the server log may not see them.
-- So an error in the log has its message, but not the statement and no row (DETAIL of a duplicate or a deadlock).
-- If setting this needs a superuser, a warning names the parameters to set for the server.
SELECT set_config('eecrm.bootstrapped', :'database', false) AS database_name
\gset
DO $$
DECLARE
    parameter record;
    unset text[] := '{}';
BEGIN
    FOR parameter IN SELECT * FROM unnest('{eecrm_migrator,eecrm_app,eecrm_report,eecrm_backup}'::text[]) AS login,
                                   (VALUES ('log_min_error_statement', 'panic'), ('log_error_verbosity', 'terse'),
                                           ('log_parameter_max_length_on_error', '0'), ('log_statement', 'none'),
                                           ('log_min_duration_statement', '-1'), ('log_min_duration_sample', '-1'),
                                           ('log_transaction_sample_rate', '0')) AS required (name, value)
    LOOP
        BEGIN
            EXECUTE format('ALTER ROLE %I IN DATABASE %I SET %s = %L',
                           parameter.login, current_setting('eecrm.bootstrapped'), parameter.name, parameter.value);
        EXCEPTION WHEN insufficient_privilege THEN
            IF current_setting(parameter.name) <> parameter.value
               AND parameter.name || ' = ' || parameter.value <> ALL (unset) THEN
                unset := unset || (parameter.name || ' = ' || parameter.value);
            END IF;
        END;
    END LOOP;
    IF unset <> '{}' THEN
        RAISE WARNING 'The log of PostgreSQL will hold values of statements, passwords'' hashes among them, and only '
                      'a superuser could forbid it here. Set in the parameters of the server: %. '
                      'See docs/operations.md.', array_to_string(unset, ', ');
    END IF;
END $$;

-- Stores the settings of each login role in the role's comment, which the role itself can't change.
-- `access.logins` later compares the current settings with the comment.
SELECT format('COMMENT ON ROLE %I IS %L', rolname, array_to_string(setconfig, E'\n'))
FROM pg_db_role_setting
JOIN pg_roles ON pg_roles.oid = setrole
WHERE rolname = ANY (:'logins'::name[]) AND setdatabase = (SELECT oid FROM pg_database WHERE datname = :'database')
\gexec
COMMIT;

-- Every role may connect to these databases by default, and the functions that are closed below are open there.
-- If all databases of the server are ours, only administrators keep this privilege, and roles that have it by name.
DO $$
DECLARE
    other text;
BEGIN
    SET LOCAL client_min_messages = error;  -- hides PostgreSQL's own warning if this role can't revoke
    FOR other IN SELECT datname FROM pg_database WHERE datname IN ('postgres', 'template1')
                    AND has_database_privilege('public', oid, 'CONNECT')
    LOOP
        IF NOT EXISTS (SELECT FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'
                          AND datdba <> 'eecrm_owner'::regrole) THEN
            BEGIN
                EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', other);
            EXCEPTION WHEN insufficient_privilege THEN NULL;
            END;
        END IF;
    END LOOP;
    SET LOCAL client_min_messages = warning;
    SELECT string_agg(datname, ', ') INTO other FROM pg_database
     WHERE datname IN ('postgres', 'template1') AND has_database_privilege('public', oid, 'CONNECT');
    IF other IS NOT NULL THEN
        RAISE WARNING 'The logins may connect to databases that others may need, too: %. See docs/operations.md.', other;
    END IF;
END $$;

\connect :"database"
SET client_min_messages = warning;
BEGIN;
SELECT pg_advisory_xact_lock(hashtext('eecrm bootstrap')) AS locked
\gset

SET LOCAL ROLE eecrm_owner;
-- First takes back what was granted by hand.
SELECT DISTINCT format('REVOKE ALL ON %s FROM %s CASCADE', object,
                       CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
FROM (SELECT format('DATABASE %I', datname) AS object, datdba AS owner, datacl AS acl FROM pg_database
       WHERE datname = current_database()
       UNION ALL
      SELECT format('SCHEMA %I', nspname), nspowner, nspacl FROM pg_namespace
       WHERE nspname IN ('eecrm', 'audit', 'report', 'public')) AS granted, aclexplode(acl)
WHERE grantee <> owner
\gexec
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO eecrm_migrator, eecrm_app, eecrm_report, eecrm_backup;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
-- The tables of the application, the audit trail, and the views for reports have separate schemas.
CREATE SCHEMA IF NOT EXISTS eecrm;
CREATE SCHEMA IF NOT EXISTS audit;
CREATE SCHEMA IF NOT EXISTS report;
GRANT USAGE, CREATE ON SCHEMA eecrm, audit, report TO eecrm_migrator;
GRANT USAGE ON SCHEMA eecrm, audit TO eecrm_app, eecrm_backup;
GRANT USAGE ON SCHEMA report TO eecrm_report;
SELECT format('GRANT USAGE ON SCHEMA eecrm, audit TO %I', name) FROM unnest(:'groups'::name[]) AS name
\gexec

-- Takes back privileges on what eecrm_owner and eecrm_migrator will create.
SELECT format('SET LOCAL ROLE %I', pg_get_userbyid(defaclrole)),
       format('ALTER DEFAULT PRIVILEGES %s REVOKE ALL ON %s FROM %s', 'IN SCHEMA ' || quote_ident(nspname),
              CASE defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
                                 WHEN 'T' THEN 'TYPES' ELSE 'SCHEMAS' END,
              CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
FROM pg_default_acl LEFT JOIN pg_namespace ON pg_namespace.oid = defaclnamespace, aclexplode(defaclacl)
WHERE defaclrole IN ('eecrm_owner'::regrole, 'eecrm_migrator'::regrole) AND grantee <> defaclrole
\gexec
-- Grants privileges on existing tables, and on tables that migrations will create.
-- eecrm_app and the group roles get none here, because `manage.py migrate` grants each of their privileges by name.
SET LOCAL ROLE eecrm_migrator;
GRANT SELECT ON ALL TABLES IN SCHEMA eecrm, audit TO eecrm_backup;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA eecrm, audit TO eecrm_backup;
ALTER DEFAULT PRIVILEGES IN SCHEMA eecrm, audit GRANT SELECT ON TABLES TO eecrm_backup;
ALTER DEFAULT PRIVILEGES IN SCHEMA eecrm, audit GRANT SELECT ON SEQUENCES TO eecrm_backup;
ALTER DEFAULT PRIVILEGES IN SCHEMA report GRANT SELECT ON TABLES TO eecrm_report;
-- By default PUBLIC may execute new functions. This statement revokes that privilege.
-- The statement has no IN SCHEMA, because default privileges for one schema can only add privileges.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
RESET ROLE;

------------------------------------------------------------------------------------------------ functions of PostgreSQL

-- Revokes dangerous functions of PostgreSQL, which any SELECT could call and table privileges don't restrict.
-- The functions run a text as a query, write data that outlives the transaction, or hold a lock that others wait for.
-- All roles lose them, because an expression could set another role before it calls such a function.
-- So our roles also lose privileges by name. Roles of others keep theirs, because they can't connect to this database.
-- pg_dump and pg_upgrade keep these revocations, but a new version of PostgreSQL may have more such functions.
SELECT set_config('eecrm.closed', '^(' || concat_ws('|',
    '(query|cursor|table|schema|database)_to_xml.*', 'ts_stat', 'ts_rewrite',
    'lo_.*', 'loread', 'lowrite', 'pg_read_.*', 'pg_(try_)?advisory_.*', 'pg_logical_emit_message'
) || ')$', true) AS closed,
       set_config('eecrm.roles', (:'groups'::name[] || :'logins'::name[] || 'eecrm_owner'::name)::text, true) AS roles
\gset

DO $$
DECLARE
    opened record;
    still_open text;
BEGIN
    SET LOCAL client_min_messages = error;  -- hides a warning for each function that this role can't revoke
    FOR opened IN SELECT DISTINCT oid::regprocedure AS func,
                         CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS role
                    FROM pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner)))
                   WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ current_setting('eecrm.closed')
                     AND (grantee = 0 OR pg_get_userbyid(grantee) = ANY (current_setting('eecrm.roles')::name[]))
    LOOP
        BEGIN
            EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM %s CASCADE', opened.func, opened.role);
        EXCEPTION WHEN insufficient_privilege THEN NULL;
        END;
    END LOOP;
    BEGIN
        -- Triggers take locks with these functions. The triggers run as the owner of the tables, eecrm_migrator.
        GRANT EXECUTE ON FUNCTION pg_advisory_xact_lock(bigint), pg_advisory_xact_lock(integer, integer)
            TO eecrm_migrator;
    EXCEPTION WHEN insufficient_privilege THEN NULL;
    END;
    SET LOCAL client_min_messages = warning;
    SELECT string_agg(DISTINCT proname, ', ') INTO still_open FROM pg_proc
     WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ current_setting('eecrm.closed')
       AND has_function_privilege('public', oid, 'EXECUTE');
    IF still_open IS NOT NULL THEN
        RAISE WARNING 'Only a superuser could close these functions to everybody, so that they stay open: %',
                      still_open;
    END IF;
END $$;

-- Notes the settings of the database, the connection limits of the logins, and what is closed to everybody.
-- `access.surroundings` compares it later.
SELECT format('COMMENT ON SCHEMA eecrm IS %L', string_agg(line, E'\n' ORDER BY line))
FROM (SELECT 'setting ' || unnest(setconfig) AS line FROM pg_db_role_setting
       WHERE setrole = 0 AND setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
       UNION ALL
      SELECT format('connection limit %s of %s', rolconnlimit, rolname) FROM pg_roles
       WHERE rolname = ANY (:'logins'::name[])
       UNION ALL
      SELECT 'closed function ' || proname FROM pg_proc
       WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ current_setting('eecrm.closed')
       GROUP BY proname HAVING NOT bool_or(has_function_privilege('public', oid, 'EXECUTE'))
       UNION ALL
      SELECT 'closed database ' || datname FROM pg_database
       WHERE datname IN ('postgres', 'template1') AND NOT has_database_privilege('public', oid, 'CONNECT')) AS note
\gexec

------------------------------------------------------------------------------------------------------- an obsolete role

-- The role eecrm_readonly was replaced by eecrm_report and eecrm_backup. Here it loses its privileges in this database.
-- The role is dropped if it has no privileges in other databases of the server.
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
