-- Makes the roles, the database and the schema of Epic Events, on a laptop and in production alike.
--
--   PG_DATABASE=eecrm PG_PASSWORD=… PG_MIGRATOR_PASSWORD=… PG_READONLY_PASSWORD=… \
--   psql -X -q -v ON_ERROR_STOP=1 -f deploy/postgres/bootstrap.sql postgres
--
-- Run it as a superuser, or as a role with CREATEROLE, CREATEDB and INHERIT such as a managed service gives. Running it
-- again changes nothing but the passwords, which become those of the environment: that is how they are rotated.
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
\set readonly_password ''
\getenv database PG_DATABASE
\getenv app_password PG_PASSWORD
\getenv migrator_password PG_MIGRATOR_PASSWORD
\getenv readonly_password PG_READONLY_PASSWORD

SELECT '' IN (:'database', :'app_password', :'migrator_password', :'readonly_password') AS is_incomplete
\gset
\if :is_incomplete
    DO $$ BEGIN RAISE 'Set PG_DATABASE, PG_PASSWORD, PG_MIGRATOR_PASSWORD and PG_READONLY_PASSWORD.'; END $$;
\endif

-- Roles belong to the whole server: two runs for two of its databases take turns until each connects to its own.
SELECT pg_advisory_lock(hashtext('eecrm bootstrap')) AS locked
\gset

---------------------------------------------------------------------------------------------------------------- roles

-- One group for each role of the application. Their privileges come from the policy table, with `manage.py migrate`.
\set groups '{eecrm_external,eecrm_sales,eecrm_support,eecrm_management,eecrm_auditor,eecrm_superuser}'
\set logins '{eecrm_migrator,eecrm_app,eecrm_readonly}'

SELECT format('CREATE ROLE %I NOLOGIN', name)
FROM unnest(:'groups'::name[] || :'logins'::name[] || 'eecrm_owner'::name) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

-- Only where something is wrong, because naming these attributes at all takes a superuser.
SELECT format('ALTER ROLE %I NOSUPERUSER NOBYPASSRLS NOREPLICATION', name)
FROM unnest(:'groups'::name[] || :'logins'::name[] || 'eecrm_owner'::name) AS name
JOIN pg_roles ON rolname = name
WHERE rolsuper OR rolbypassrls OR rolreplication
\gexec

SELECT format('ALTER ROLE %I NOLOGIN NOCREATEDB NOCREATEROLE', name)
FROM unnest(:'groups'::name[] || 'eecrm_owner'::name) AS name
\gexec

SET password_encryption = 'scram-sha-256';
ALTER ROLE eecrm_migrator LOGIN NOINHERIT NOCREATEDB NOCREATEROLE CONNECTION LIMIT 10 PASSWORD :'migrator_password';
ALTER ROLE eecrm_app LOGIN NOINHERIT NOCREATEDB NOCREATEROLE CONNECTION LIMIT 100 PASSWORD :'app_password';
ALTER ROLE eecrm_readonly LOGIN NOINHERIT NOCREATEDB NOCREATEROLE CONNECTION LIMIT 5 PASSWORD :'readonly_password';

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

ALTER ROLE eecrm_readonly IN DATABASE :"database" SET search_path = eecrm;
ALTER ROLE eecrm_readonly IN DATABASE :"database" SET timezone = 'UTC';
ALTER ROLE eecrm_readonly IN DATABASE :"database" SET default_transaction_read_only = on;
ALTER ROLE eecrm_readonly IN DATABASE :"database" SET statement_timeout = '5min';
ALTER ROLE eecrm_readonly IN DATABASE :"database" SET idle_in_transaction_session_timeout = '60s';

\connect :"database"
SET client_min_messages = warning;
BEGIN;
SELECT pg_advisory_xact_lock(hashtext('eecrm bootstrap')) AS locked
\gset

SET LOCAL ROLE eecrm_owner;
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO eecrm_migrator, eecrm_app, eecrm_readonly;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
-- The trail has a schema of its own.
CREATE SCHEMA IF NOT EXISTS eecrm;
CREATE SCHEMA IF NOT EXISTS audit;
GRANT USAGE, CREATE ON SCHEMA eecrm, audit TO eecrm_migrator;
GRANT USAGE ON SCHEMA eecrm, audit TO eecrm_app, eecrm_readonly;
SELECT format('GRANT USAGE ON SCHEMA eecrm, audit TO %I', name) FROM unnest(:'groups'::name[]) AS name
\gexec

-- For the tables that migrations will make. Nothing for eecrm_app and the groups: what isn't granted by name is refused.
SET LOCAL ROLE eecrm_migrator;
ALTER DEFAULT PRIVILEGES IN SCHEMA eecrm, audit GRANT SELECT ON TABLES TO eecrm_readonly;
ALTER DEFAULT PRIVILEGES IN SCHEMA eecrm, audit GRANT SELECT ON SEQUENCES TO eecrm_readonly;
-- Not per schema: that could add privileges, but not take away the one that PostgreSQL gives PUBLIC by itself.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
COMMIT;
