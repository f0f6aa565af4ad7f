"""View with the public keys that verify our tokens (a JWK set)."""

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from access.permissions import public


@public
@transaction.non_atomic_requests
@require_safe
def public_keys(request: HttpRequest) -> HttpResponse:
    """Returns the public keys as a JWK set (RFC 7517): the signing key and previous keys that are still accepted.

    The set is empty if a shared secret signs the tokens.
    """
    response = JsonResponse(settings.JWT_KEYS.jwks(), content_type="application/jwk-set+json")
    response["Cache-Control"] = "public, max-age=300"
    return response
