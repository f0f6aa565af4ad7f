from django.contrib.admin.apps import AdminConfig


class EpicEventsAdminConfig(AdminConfig):
    default_site = "accounts.gate.site.GatedAdminSite"
