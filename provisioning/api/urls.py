"""The addresses of the API, below ``/api/v1/``."""

from django.urls import path

from provisioning.api.passwords import SetPassword

urlpatterns = [path("users/<str:username>/password", SetPassword.as_view(), name="api-set-password")]
