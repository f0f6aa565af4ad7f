"""docs/api.md is true where a test can tell."""

from django.conf import settings

from api.resources.idempotency import MAX_KEY_AGE_DAYS
from api.resources.pagination import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE
from audit.sync.cursor import MAX_CURSOR_AGE
from config.environment import ROOT

PAGE = " ".join((ROOT / "docs" / "api.md").read_text().split())


def test_its_numbers_are_those_of_the_code() -> None:
    access, refresh = (settings.SIMPLE_JWT[f"{name}_TOKEN_LIFETIME"] for name in ("ACCESS", "REFRESH"))
    assert f"`access` ({access.seconds // 60} minutes) and `refresh` ({refresh.days} days)" in PAGE
    assert f"`page_size` is {DEFAULT_PAGE_SIZE}, {MAX_PAGE_SIZE} at most" in PAGE
    assert f"for up to {MAX_KEY_AGE_DAYS} days" in PAGE
    assert f"a cursor of more than {MAX_CURSOR_AGE.days} days" in PAGE
    assert "at most 1 MiB" in PAGE and settings.DATA_UPLOAD_MAX_MEMORY_SIZE == 2**20
    assert '`RateLimit-Policy: "read";q={};w={}`'.format(*settings.RATE_LIMITS["read"]) in PAGE


def test_every_exposed_header_is_told() -> None:
    assert all(f"`{name}`" in PAGE for name in settings.CORS_EXPOSE_HEADERS)
