from django.contrib.admin.apps import AdminConfig


class EpicEventsAdminConfig(AdminConfig):
    default_site = "accounts.admin_login.site.GatedAdminSite"
