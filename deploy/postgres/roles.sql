-- Roles and schemas of the services, in the database that psql is connected to. Run by a superuser or the database's
-- owner with CREATEROLE; may be run again. Passwords come from the environment:
--   ARBITRATION_PASSWORD=… PENALTIES_PASSWORD=… NOTIFY_PASSWORD=… REPORTING_PASSWORD=… psql -v ON_ERROR_STOP=1 -f roles.sql
\getenv arbitration_password ARBITRATION_PASSWORD
\getenv penalties_password PENALTIES_PASSWORD
\getenv notify_password NOTIFY_PASSWORD
\getenv reporting_password REPORTING_PASSWORD

BEGIN;
-- Roles belong to the whole server: two runs for two databases must not meet.
SELECT pg_advisory_xact_lock(7216501943);

SELECT format('CREATE ROLE %I LOGIN', name)
FROM unnest(ARRAY['arbitration', 'penalties', 'notify', 'reporting']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

ALTER ROLE arbitration LOGIN PASSWORD :'arbitration_password';
ALTER ROLE penalties LOGIN PASSWORD :'penalties_password';
ALTER ROLE notify LOGIN PASSWORD :'notify_password';
ALTER ROLE reporting LOGIN PASSWORD :'reporting_password';

-- A service sees its own schema and no other one.
CREATE SCHEMA IF NOT EXISTS arbitration AUTHORIZATION arbitration;
CREATE SCHEMA IF NOT EXISTS penalties AUTHORIZATION penalties;
CREATE SCHEMA IF NOT EXISTS notify AUTHORIZATION notify;
ALTER ROLE arbitration SET search_path = arbitration;
ALTER ROLE penalties SET search_path = penalties;
ALTER ROLE notify SET search_path = notify;

-- Views for dashboards (docs/reference/reporting.md): arbitration makes them, the role reporting reads them and nothing else.
CREATE SCHEMA IF NOT EXISTS reporting AUTHORIZATION arbitration;
GRANT USAGE ON SCHEMA reporting TO reporting;
ALTER DEFAULT PRIVILEGES FOR ROLE arbitration IN SCHEMA reporting GRANT SELECT ON TABLES TO reporting;
ALTER ROLE reporting SET search_path = reporting;
ALTER ROLE reporting SET default_transaction_read_only = on;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
COMMIT;
