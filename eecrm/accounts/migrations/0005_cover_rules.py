from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import migrations, models
from django.db.models import F, Q

from access.migration_operations import immediate_foreign_keys, rules

COVER_RULES = """
BEGIN
    IF TG_OP = 'UPDATE' THEN
        NEW.granted_by_id := OLD.granted_by_id;
        NEW.created_at := OLD.created_at;
        IF (NEW.id, NEW.colleague_id, NEW.substitute_id, NEW.starts_at, NEW.reason)
           IS DISTINCT FROM (OLD.id, OLD.colleague_id, OLD.substitute_id, OLD.starts_at, OLD.reason)
           OR NEW.ends_at > OLD.ends_at THEN
            PERFORM refuse('cover_only_ends_early', 'A cover can only be ended early: make another one instead.');
        END IF;
        -- A fixture or a restored backup may tell any past, see *restore* in the policy table.
        IF NOT policy_allows('cover.restore') AND NEW.ends_at <> OLD.ends_at THEN
            IF OLD.ends_at <= statement_timestamp() THEN
                PERFORM refuse('cover_past_stays', 'A cover that is over can''t be changed.');
            END IF;
            -- Whoever acted under it until now did so rightly.
            NEW.ends_at := GREATEST(NEW.ends_at, OLD.starts_at, statement_timestamp());
        END IF;
        RETURN NEW;
    END IF;
    NEW.granted_by_id := nullif(current_setting('eecrm.user_id', true), '')::bigint;
    NEW.created_at := statement_timestamp();
    IF NOT policy_allows('cover.restore') THEN
        NEW.starts_at := GREATEST(NEW.starts_at, statement_timestamp());
        IF NEW.ends_at <= statement_timestamp() THEN
            PERFORM refuse('cover_ends_in_future', 'A cover ends in the future.');
        END IF;
        IF NEW.ends_at <= NEW.starts_at THEN
            PERFORM refuse('cover_ends_after_start', 'A cover ends after it starts.');
        END IF;
    END IF;
    -- The locks make a change of role or a deactivation at the same moment wait. In the order of keys, against deadlocks.
    PERFORM FROM accounts_user WHERE id IN (NEW.colleague_id, NEW.substitute_id) ORDER BY id FOR SHARE;
    IF EXISTS (SELECT FROM accounts_user WHERE id IN (NEW.colleague_id, NEW.substitute_id)
                  AND (is_superuser OR NOT is_active OR role NOT IN ('sales', 'support'))) THEN
        PERFORM refuse('cover_between_contacts', 'Cover is between two active people who are contacts: sales or support.');
    END IF;
    IF (SELECT count(DISTINCT role) FROM accounts_user WHERE id IN (NEW.colleague_id, NEW.substitute_id)) > 1 THEN
        PERFORM refuse('cover_same_role', 'Somebody covers for a colleague of the same role.');
    END IF;
    -- Two at the same moment may slip through, which lends nothing more.
    IF EXISTS (SELECT FROM accounts_cover
                WHERE colleague_id = NEW.colleague_id AND substitute_id = NEW.substitute_id
                  AND starts_at < NEW.ends_at AND ends_at > NEW.starts_at) THEN
        PERFORM refuse('cover_once', 'There is a cover of these two for that time already: end it first.');
    END IF;
    RETURN NEW;
END
"""

ENDS_COVER = """
BEGIN
    IF (NEW.role, NEW.is_active, NEW.is_superuser) IS DISTINCT FROM (OLD.role, OLD.is_active, OLD.is_superuser) THEN
        UPDATE accounts_cover SET ends_at = GREATEST(starts_at, statement_timestamp())
         WHERE NEW.id IN (colleague_id, substitute_id) AND ends_at > GREATEST(starts_at, statement_timestamp());
    END IF;
    RETURN NULL;
END
"""

MEMBER_RULES = """
DECLARE
    account bigint := COALESCE(NEW.user_id, OLD.user_id);
BEGIN
    -- No role: the migrator, since the login role may not write here. Deeper: with its group or account, whose rules count.
    IF current_setting('role') = 'none' OR pg_trigger_depth() > 1 THEN
        RETURN COALESCE(NEW, OLD);
    END IF;
    IF account::text = current_setting('eecrm.user_id', true) THEN
        PERFORM refuse('user_not_oneself', 'Nobody changes their own groups.');
    END IF;
    IF NOT policy_allows('user.promote') AND EXISTS (SELECT FROM accounts_user WHERE id = account AND is_superuser) THEN
        PERFORM refuse('user_superuser_guarded', 'Only a superuser changes the groups of a superuser.');
    END IF;
    IF TG_OP <> 'DELETE' AND EXISTS (SELECT FROM auth_group WHERE id = NEW.group_id
                                        AND name IN ('External', 'Sales', 'Support', 'Management', 'Auditor')) THEN
        PERFORM refuse('group_follows_role', 'An account is in the group of its role: change the role instead.');
    END IF;
    RETURN COALESCE(NEW, OLD);
END
"""

GROUP_RULES = """
BEGIN
    IF current_setting('role') <> 'none' AND EXISTS (
        SELECT FROM auth_group_permissions AS given
          JOIN auth_permission AS permission ON permission.id = given.permission_id
          JOIN django_content_type AS noun ON noun.id = permission.content_type_id
         WHERE given.group_id = OLD.id AND noun.app_label = 'access' AND permission.codename = 'managed_group'
    ) THEN
        PERFORM refuse('group_is_managed', 'This group is made by the code: it can''t be changed or deleted here.');
    END IF;
    RETURN COALESCE(NEW, OLD);
END
"""


def to_user(**options: Any) -> models.ForeignKey:
    return models.ForeignKey(to=settings.AUTH_USER_MODEL, on_delete=models.PROTECT, **options)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_second_factor"), ("auth", "0012_alter_user_first_name_max_length")]

    operations = [
        # Who lent what to whom stays on record, and so do the people.
        migrations.AlterField("cover", "colleague", to_user(related_name="covered_by")),
        migrations.AlterField("cover", "substitute", to_user(related_name="covers")),
        migrations.AlterField("cover", "granted_by", to_user(related_name="+", null=True, editable=False)),
        migrations.RemoveConstraint("cover", "cover_ends_after_start"),
        migrations.AddConstraint(
            "cover",
            models.CheckConstraint(
                condition=Q(ends_at__gte=F("starts_at")),
                name="cover_ends_after_start",
                violation_error_message="A cover ends after it starts.",
            ),
        ),
        migrations.AddConstraint(
            "cover",
            models.CheckConstraint(
                condition=Q(ends_at__lte=F("starts_at") + timedelta(days=180)),
                name="cover_at_most_180_days",
                violation_error_message="A cover lasts at most 180 days.",
            ),
        ),
        rules("cover_rules", table="accounts_cover", when="BEFORE INSERT OR UPDATE", body=COVER_RULES),
        rules("account_ends_cover", table="accounts_user", when="AFTER UPDATE", body=ENDS_COVER),
        rules(
            "member_rules", table="accounts_user_groups", when="BEFORE INSERT OR UPDATE OR DELETE", body=MEMBER_RULES
        ),
        rules("group_rules", table="auth_group", when="BEFORE UPDATE OR DELETE", body=GROUP_RULES),
        immediate_foreign_keys("accounts_cover"),
    ]
