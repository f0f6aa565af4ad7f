"""Masks for personal data in trail entries, for roles that see it masked (matrix row *auditor*)."""

from functools import cache
from typing import Any

from access.masks import HIDDEN, Mask, personal
from audit.admin.row_names import model_of_table

# Every table on the trail. The values of an unlisted table are all masked, so that a new table reveals nothing.
SHOWN_TABLES = (
    "clients_client",
    "contracts_contract",
    "events_event",
    "accounts_user",
    "accounts_tokensession",
    "accounts_externalidentity",
    "accounts_cover",
    "accounts_addresschange",
    "accounts_alert",
    "accounts_export",
    "accounts_mail",
    "accounts_user_groups",
    "accounts_user_user_permissions",
    "auth_group",
    "auth_group_permissions",
    "otp_totp_totpdevice",
    "otp_static_staticdevice",
    "otp_static_statictoken",
)


def hidden(table: str, column: str, value: Any) -> Any:
    """Mask a stored value for a role that may not see personal data. Empty values stay empty."""
    if value in (None, ""):
        return value
    if table not in SHOWN_TABLES:
        return HIDDEN
    mask = _masks(table).get(column)
    return mask.of(value) if mask else value


@cache
def _masks(table: str) -> dict[str, Mask]:
    model = model_of_table(table)
    if model is None:
        return {}
    masks = personal(model)
    return {str(field.column): masks[field.name] for field in model._meta.concrete_fields if field.name in masks}
