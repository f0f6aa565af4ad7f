-- Tables of this app on the audit trail. The arguments are columns whose change leaves no entry, and secret columns.
CREATE OR REPLACE TRIGGER trail AFTER INSERT OR DELETE OR UPDATE ON clients_client
FOR EACH ROW EXECUTE FUNCTION audit.record('{search}', '{}');
