"""The portal's URLs."""

from django.contrib import admin
from django.urls import path

from config.health import Healthz, Readyz

urlpatterns = [
    path("healthz", Healthz.as_view(), name="healthz"),
    path("readyz", Readyz.as_view(), name="readyz"),
    path("", admin.site.urls),
]
