"""The list of clients as the tutorials of Django REST framework write it, with the joined row fetched along."""

from django.urls import include, path
from rest_framework.routers import DefaultRouter
from rest_framework.serializers import CharField, ModelSerializer
from rest_framework.viewsets import ModelViewSet

from accounts.models import User
from reference.models import Client


class SalesContactSerializer(ModelSerializer):
    name = CharField(source="display_name")

    class Meta:
        model = User
        fields = ["id", "name"]


class ClientSerializer(ModelSerializer):
    sales_contact = SalesContactSerializer(read_only=True)

    class Meta:
        model = Client
        fields = [
            "id", "url", "status", "company_name", "first_name", "last_name", "email", "phone", "mobile",
            "sales_contact", "created_at", "updated_at", "version",
        ]  # fmt: skip


class ClientViewSet(ModelViewSet):
    queryset = Client.objects.select_related("sales_contact")
    serializer_class = ClientSerializer


router = DefaultRouter()
router.register("clients", ClientViewSet)

urlpatterns = [path("api/v1/", include(router.urls))]
