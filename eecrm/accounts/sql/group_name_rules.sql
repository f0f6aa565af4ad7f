-- Refuses a group name that a user could take for another one: PII and ＰＩＩ, or PII with an invisible character.
CREATE OR REPLACE FUNCTION group_name_rules() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
BEGIN
    IF NEW.name <> normalize(NEW.name, NFKC) OR NEW.name ~ '^$|^ | $|  |[\u0001-\u001F\u007F-\u009F\u00AD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F\u2028-\u202E\u2060-\u206F\u2800\u3164\uE000-\uF8FF\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFFB\uFFFE\uFFFF\U00013430-\U00013442\U00016FE4\U0001BCA0-\U0001BCA3\U0001D159\U0001D173-\U0001D17A\U000E0000-\U000E0FFF\U000F0000-\U0010FFFF]' THEN
        PERFORM refuse('group_name_plain');
    END IF;
    RETURN NEW;
END
$function$;

CREATE OR REPLACE TRIGGER group_name_rules
BEFORE INSERT OR UPDATE OF name ON auth_group
FOR EACH ROW EXECUTE FUNCTION group_name_rules();
