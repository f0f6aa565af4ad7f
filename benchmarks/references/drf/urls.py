from django.urls import include, path
from rest_framework.routers import DefaultRouter
from rest_framework_simplejwt.views import TokenObtainPairView

from references.drf.views import ClientViewSet

router = DefaultRouter()
router.register("clients", ClientViewSet)

urlpatterns = [path("api/v1/users/login/", TokenObtainPairView.as_view()), path("api/v1/", include(router.urls))]
