"""The portal's URLs."""

from django.contrib import admin
from django.urls import include, path, re_path

from config.health import Healthz, Readyz
from config.middleware import SCIM
from scim.oauth import token_endpoint

handler400 = "scim.views.base.bad_request"

urlpatterns = [
    path("healthz", Healthz.as_view(), name="healthz"),
    path("readyz", Readyz.as_view(), name="readyz"),
    path("scim/token", token_endpoint, name="scim_token"),
    re_path(f"^{SCIM}", include("scim.urls")),
    path("api/v1/", include("provisioning.api.urls")),
    path("", admin.site.urls),
]
