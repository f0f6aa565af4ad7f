"""What of the trail is personal data: shown masked to whom the policy shows it masked (row *auditor*)."""

from typing import Any

from api.serializers import masked

# Each table on the trail, with the columns that tell how to reach somebody. Of a table that isn't listed, nothing is shown.
PERSONAL: dict[str, tuple[str, ...]] = {
    "clients_client": ("email", "phone", "mobile"),
    "contracts_contract": (),
    "events_event": (),
    "accounts_user": ("email", "mobile"),
    "accounts_tokensession": ("address",),
    "accounts_externalidentity": ("subject",),  # many a provider calls people by their email address
    "accounts_cover": (),
    "accounts_addresschange": ("address",),
    "accounts_mail": ("address", "typed"),
    "accounts_user_groups": (),
    "accounts_user_user_permissions": (),
    "auth_group": (),
    "auth_group_permissions": (),
    "otp_totp_totpdevice": (),
    "otp_static_staticdevice": (),
    "otp_static_statictoken": (),
}


def hidden(table: str, column: str, value: Any) -> Any:
    """This value as somebody sees it who may not see personal data; what is empty stays so."""
    columns = PERSONAL.get(table)
    if value in (None, "") or (columns is not None and column not in columns):
        return value
    is_known = columns is not None and isinstance(value, str)
    return masked(value, is_email="@" in value) if is_known else "***"
