"""Views that publish the API's description: the OpenAPI document, its two pages, and a list of the endpoints."""

from typing import Any

from django.db import transaction
from django.http import HttpResponse
from django.utils.decorators import method_decorator
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.renderers import TemplateHTMLRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from access.checks import routes
from access.permissions import Public
from api.requests.middleware import PAGE_POLICY
from config.environment import ROOT

# `scripts/openapi` writes the OpenAPI document to this file. A test compares the file with the code.
# The views send this file, because generating the document takes about one second.
# A worker that generated the document would also keep 6 MiB of memory.
_DOCUMENT = ROOT / "docs" / "openapi.yaml"
_without_database = method_decorator(transaction.non_atomic_requests, name="dispatch")


@_without_database
class SchemaView(APIView):
    """The description of this API as an OpenAPI 3 document."""

    authentication_classes: list[Any] = []
    permission_classes = [Public]
    http_method_names = ["get", "head"]

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        inline = {"Content-Disposition": 'inline; filename="openapi.yaml"'}
        return HttpResponse(
            _DOCUMENT.read_bytes(), content_type="application/vnd.oai.openapi; charset=utf-8", headers=inline
        )


# Redoc has two inline styles. The Content-Security-Policy allows them by their hashes.
# The first hash is that of an empty <style> element.
# Redoc's JavaScript adds rules to this element through the CSSOM, which the policy doesn't restrict.
# The second hash is that of the style of Redoc's scrollbar.
# `scripts/browse` fails if another version of Redoc has another style.
_REDOC_STYLES = (
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' 'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='"
)
_REDOC_POLICY = PAGE_POLICY.replace("style-src 'self'", f"style-src 'self' {_REDOC_STYLES}")


class _PageView(APIView):
    """Base class of the HTML pages that show the OpenAPI document. The pages load local files only."""

    authentication_classes: list[Any] = []
    permission_classes = [Public]
    renderer_classes = [TemplateHTMLRenderer]
    http_method_names = ["get", "head"]
    template_name: str
    headers_of_page: dict[str, str] = {}

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        return Response(template_name=self.template_name, headers=self.headers_of_page)


@_without_database
class DocsView(_PageView):
    """The documentation of this API as a page that can send requests."""

    template_name = "api/docs.html"


@_without_database
class ReferenceView(_PageView):
    """The documentation of this API as a page to read."""

    template_name = "api/redoc.html"
    headers_of_page = {"Content-Security-Policy": _REDOC_POLICY}


class EndpointSerializer(serializers.Serializer):
    """One endpoint: its path, its methods and its purpose."""

    path = serializers.CharField()
    methods = serializers.ListField(child=serializers.CharField())
    about = serializers.CharField()

    field_docs = {
        "path": ("", "/api/v1/clients/"),
        "methods": ("", ["GET", "POST"]),
        "about": ("", "Clients and prospects."),
    }


class CatalogueSerializer(serializers.Serializer):
    """All endpoints, and the address of the documentation."""

    documentation = serializers.URLField()
    endpoints = EndpointSerializer(many=True)

    field_docs = {"documentation": ("The page on which to try it out.", "https://crm.epic.example/api/v1/docs/")}


@_without_database
class CatalogueViewSet(ViewSet):
    """The list of all endpoints."""

    authentication_classes: list[Any] = []
    permission_classes = [Public]

    @extend_schema(
        operation_id="catalogue_get",
        summary="List the endpoints",
        responses={200: CatalogueSerializer},
    )
    def list(self, request: Request) -> Response:
        """Lists the endpoints of this API, each with its methods and its purpose."""
        root = "api/v1/"
        return Response(
            {
                "documentation": request.build_absolute_uri("docs/"),
                "endpoints": [
                    {"path": "/" + path, "methods": _methods(pattern.callback), "about": _about(pattern.callback)}
                    for path, pattern in routes()
                    if path.startswith(root) and path != root
                ],
            }
        )


def _methods(callback: Any) -> list[str]:
    return sorted(method.upper() for method in getattr(callback, "actions", None) or {"get": ""})


def _about(callback: Any) -> str:
    return (callback.cls.__doc__ or "").strip().split("\n")[0]
