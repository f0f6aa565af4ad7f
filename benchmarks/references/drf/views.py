"""The viewset of clients, written as in the tutorials of Django REST framework.

`select_related` joins the row of the sales contact.
"""

from rest_framework.pagination import PageNumberPagination
from rest_framework.serializers import CharField, ModelSerializer
from rest_framework.viewsets import ModelViewSet

from references.drf.models import Client, User


class Page(PageNumberPagination):
    page_size_query_param = "page_size"


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
    pagination_class = Page
    filterset_fields = ["status", "company_name", "email", "sales_contact"]
    search_fields = ["company_name", "first_name", "last_name", "email"]

    def perform_create(self, serializer: ClientSerializer) -> None:
        serializer.save(sales_contact=self.request.user)
