-- Refuses to change or delete a group that is declared in code: it has the permission `access.managed_group`.
CREATE OR REPLACE FUNCTION group_rules() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
BEGIN
    IF NOT is_migrator() AND EXISTS (
        SELECT FROM auth_group_permissions AS given
          JOIN auth_permission AS permission ON permission.id = given.permission_id
          JOIN django_content_type AS noun ON noun.id = permission.content_type_id
         WHERE given.group_id = OLD.id AND noun.app_label = 'access' AND permission.codename = 'managed_group'
    ) THEN
        PERFORM refuse('group_is_managed');
    END IF;
    RETURN COALESCE(NEW, OLD);
END
$function$;

CREATE OR REPLACE TRIGGER group_rules
BEFORE DELETE OR UPDATE ON auth_group
FOR EACH ROW EXECUTE FUNCTION group_rules();
