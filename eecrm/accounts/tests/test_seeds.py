"""Seeds of second factors are useless without the key, which the database doesn't have."""

from base64 import b32encode, b64encode, urlsafe_b64encode
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.admin_login import second_factor, seeds
from accounts.models import AuthenticatorApp, RecoveryCodes
from accounts.tests.conftest import Phone, give_phone
from accounts.tests.test_login_second_factor import code_of, log_in
from conftest import World


def keys(present: bytes, *previous: bytes) -> Any:
    texts = ",".join(key.decode() for key in previous)
    return seeds.factor_keys(seeds.read_seed_key(present.decode()), seeds.read_previous_seed_keys(texts))


def spellings(seed: bytes) -> set[str]:
    """Under each of them an attacker would look for it, or an app would take it."""
    texts = {
        seed.hex(),
        b32encode(seed).decode(),
        b64encode(seed).decode().rstrip("="),
        urlsafe_b64encode(seed).decode(),
    }
    return {text.lower() for text in texts}


def dump(migrator: Any) -> str:
    """Every row of every table, as a dump has it."""
    with migrator.cursor() as cursor:
        cursor.execute(
            "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN ('eecrm', 'audit') ORDER BY 1"
        )
        whole = []
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT line::text, to_jsonb(line)::text FROM {table} AS line")
            whole += [text for row in cursor.fetchall() for text in row]
    return "\n".join(whole).lower()


def test_a_dump_holds_no_seed_that_opens_anything(committed_world: World, migrator: Any, settings: Any) -> None:
    apps = [give_phone(committed_world.users[name]) for name in ("management", "auditor")]
    found = dump(migrator)
    for app in apps:
        seed = app.device.bin_key
        assert len(seed) == 20
        assert app.device.key.lower() in found, "the dump has no second factors at all"
        assert not [text for text in spellings(seed) if text in found]
    settings.SECOND_FACTOR_KEYS = keys(Fernet.generate_key())
    assert seeds.decrypt_seed(apps[0].device.key) is None


def test_keys_rotate_without_a_new_set_up(world: World, phone: Any, settings: Any) -> None:
    old, new = Fernet.generate_key(), Fernet.generate_key()
    settings.SECOND_FACTOR_KEYS = keys(old)
    app = phone("management")
    settings.SECOND_FACTOR_KEYS = keys(new, old)
    assert log_in("management", otp=app.code()).status_code == 200
    said = StringIO()
    call_command("encrypt_second_factors", stdout=said)
    assert said.getvalue() == "Encrypted with SECOND_FACTOR_KEY: 1.\n"
    settings.SECOND_FACTOR_KEYS = keys(new)
    app.wait()
    assert log_in("management", otp=app.code()).status_code == 200


def test_a_lost_key_is_told_and_recovery_codes_still_open(
    world: World, phone: Any, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    app = phone("management")
    code = app.code()
    settings.SECOND_FACTOR_KEYS = keys(Fernet.generate_key())
    answer = log_in("management", otp=code)
    assert (code_of(answer), answer.json()["detail"]) == ((401, "otp_invalid"), second_factor.UNREADABLE)
    assert [record.levelname for record in caplog.records if record.msg == "authn_login_fail"] == ["CRITICAL"]
    assert log_in("management", otp=app.codes[0]).status_code == 200
    with pytest.raises(CommandError, match="No key of ours reads the seeds of: management"):
        call_command("encrypt_second_factors", stdout=StringIO())


@pytest.mark.parametrize(("failures", "seconds"), [(1, 1), (5, 16), (10, 512), (11, 900), (12, 900), (10**6, 900)])
@pytest.mark.parametrize("kind", ["app", "recovery"])
def test_the_pause_after_wrong_codes_lasts_fifteen_minutes_at_most(
    kind: str, failures: int, seconds: int, world: World, phone: Any
) -> None:
    app: Phone = phone("management")
    devices: Any = AuthenticatorApp.objects if kind == "app" else RecoveryCodes.objects
    code = app.code() if kind == "app" else app.codes[0]
    for ago, status in ((seconds - 60, 401), (seconds + 5, 200)):  # a minute, for a slow machine
        failed_at = timezone.now() - timedelta(seconds=ago)
        devices.update(throttling_failure_count=failures, throttling_failure_timestamp=failed_at)
        assert log_in("management", otp=code).status_code == status
