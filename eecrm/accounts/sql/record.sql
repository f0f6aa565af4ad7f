-- Triggers that write changes of these tables to the audit trail.
-- Their arguments: columns whose changes aren't recorded, and columns whose values are secret.
CREATE OR REPLACE TRIGGER trail AFTER INSERT OR DELETE OR UPDATE ON accounts_addresschange
FOR EACH ROW EXECUTE FUNCTION audit.record('{}', '{}');

CREATE OR REPLACE TRIGGER trail AFTER INSERT OR DELETE OR UPDATE ON accounts_alert
FOR EACH ROW EXECUTE FUNCTION audit.record('{}', '{}');

CREATE OR REPLACE TRIGGER trail AFTER INSERT OR DELETE OR UPDATE ON accounts_cover
FOR EACH ROW EXECUTE FUNCTION audit.record('{}', '{}');

CREATE OR REPLACE TRIGGER trail AFTER INSERT OR DELETE OR UPDATE ON accounts_export
FOR EACH ROW EXECUTE FUNCTION audit.record('{}', '{}');

CREATE OR REPLACE TRIGGER trail AFTER INSERT OR DELETE OR UPDATE ON accounts_externalidentity
FOR EACH ROW EXECUTE FUNCTION audit.record('{}', '{}');

CREATE OR REPLACE TRIGGER trail AFTER INSERT OR DELETE OR UPDATE ON accounts_mail
FOR EACH ROW EXECUTE FUNCTION audit.record('{due_at,attempts,deferrals,error}', '{}');

CREATE OR REPLACE TRIGGER trail AFTER INSERT OR DELETE OR UPDATE ON accounts_tokensession
FOR EACH ROW EXECUTE FUNCTION audit.record('{refresh_jti,previous_jti,rotated_at,expires_at,address}', '{}');

CREATE OR REPLACE TRIGGER trail AFTER INSERT OR DELETE OR UPDATE ON accounts_user
FOR EACH ROW EXECUTE FUNCTION audit.record('{last_login,display_name,logins_ended}', '{password}');

CREATE OR REPLACE TRIGGER trail AFTER INSERT OR DELETE OR UPDATE ON accounts_user_groups
FOR EACH ROW EXECUTE FUNCTION audit.record('{}', '{}');

CREATE OR REPLACE TRIGGER trail AFTER INSERT OR DELETE OR UPDATE ON accounts_user_user_permissions
FOR EACH ROW EXECUTE FUNCTION audit.record('{}', '{}');

CREATE OR REPLACE TRIGGER trail AFTER INSERT OR DELETE OR UPDATE ON auth_group
FOR EACH ROW EXECUTE FUNCTION audit.record('{}', '{}');

CREATE OR REPLACE TRIGGER trail AFTER INSERT OR DELETE OR UPDATE ON auth_group_permissions
FOR EACH ROW EXECUTE FUNCTION audit.record('{}', '{}');

CREATE OR REPLACE TRIGGER trail AFTER INSERT OR DELETE OR UPDATE ON otp_static_staticdevice
FOR EACH ROW EXECUTE FUNCTION audit.record('{throttling_failure_timestamp,throttling_failure_count,last_used_at}', '{}');

CREATE OR REPLACE TRIGGER trail AFTER INSERT OR DELETE OR UPDATE ON otp_static_statictoken
FOR EACH ROW EXECUTE FUNCTION audit.record('{}', '{token}');

CREATE OR REPLACE TRIGGER trail AFTER INSERT OR DELETE OR UPDATE ON otp_totp_totpdevice
FOR EACH ROW EXECUTE FUNCTION audit.record('{last_t,drift,throttling_failure_timestamp,throttling_failure_count,last_used_at}', '{key}');
