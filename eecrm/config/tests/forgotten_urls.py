"""The project's paths and one that nobody told the policy about, for test_configuration."""

from typing import Any

from django.urls import path
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from config import urls


class Forgotten(GenericViewSet):
    def list(self, request: Any) -> Response:
        return Response("secret")


urlpatterns = [*urls.urlpatterns, path("forgotten/", Forgotten.as_view({"get": "list"}))]
