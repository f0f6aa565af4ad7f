"""The published description: the OpenAPI document, its page, and a list of the endpoints for a first look."""

from typing import Any

from django.db import transaction
from django.utils.decorators import method_decorator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from access.checks import routes
from access.permissions import Public

_without_database = method_decorator(transaction.non_atomic_requests, name="dispatch")


@_without_database
class SchemaView(SpectacularAPIView):
    """This API as an OpenAPI 3 document."""

    permission_classes = [Public]
    http_method_names = ["get", "head"]


@_without_database
class DocsView(SpectacularSwaggerSplitView):
    """This API as a page on which to try it out."""

    permission_classes = [Public]
    http_method_names = ["get", "head"]
    url_name = "schema"


class EndpointSerializer(serializers.Serializer):
    """A path, and what it is for."""

    path = serializers.CharField()
    methods = serializers.ListField(child=serializers.CharField())
    about = serializers.CharField()

    told = {"path": ("", "/api/v1/clients/"), "methods": ("", ["GET", "POST"]), "about": ("", "Clients and prospects.")}


class CatalogueSerializer(serializers.Serializer):
    """The endpoints, for a first look."""

    documentation = serializers.URLField()
    endpoints = EndpointSerializer(many=True)

    told = {"documentation": ("The page on which to try it out.", "https://crm.epic.example/api/v1/docs/")}


@_without_database
class CatalogueViewSet(ViewSet):
    """The endpoints, a line each."""

    authentication_classes: list[Any] = []
    permission_classes = [Public]

    @extend_schema(
        operation_id="catalogue_get",
        summary="List the endpoints",
        responses={200: CatalogueSerializer},
    )
    def list(self, request: Request) -> Response:
        """The endpoints of this API, each with its methods and what it is for."""
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
