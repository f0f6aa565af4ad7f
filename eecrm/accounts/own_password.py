"""The admin site's page for one's own password."""

from typing import Any

from django.contrib.admin.forms import AdminPasswordChangeForm
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpResponse

from access.database import as_login_role
from access.security_log import security_event


class OwnPasswordForm(AdminPasswordChangeForm):
    def save(self, commit: bool = True) -> Any:
        """No role of the admin site may write a password, and many may not write accounts at all."""
        self.user.set_password(self.cleaned_data["new_password1"])
        with as_login_role():
            self.user.save(update_fields=["password"])
        return self.user


class OwnPasswordView(PasswordChangeView):
    form_class = OwnPasswordForm

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        security_event("authn_password_change", self.request, account=form.user.pk, by="old_password")
        return response
