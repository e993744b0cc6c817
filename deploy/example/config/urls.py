"""Where each address of the example project leads."""
from django.urls import include, path

urlpatterns = [
    path("", include("catalogue.urls")),
]
