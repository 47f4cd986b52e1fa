"""The portal's URLs."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from config.health import Healthz, Readyz
from config.metrics import metrics
from config.middleware import SCIM
from config.one_time_links import ChoosePassword
from config.signin.views import SignIn, SignOut
from provisioning.events.views import event_keys
from scim.access.oauth import token_endpoint

handler400 = "config.errors.bad_request"
handler500 = "config.errors.server_error"

admin.autodiscover()

urlpatterns = [
    path("healthz", Healthz.as_view(), name="healthz"),
    path("readyz", Readyz.as_view(), name="readyz"),
    path("events/keys.json", event_keys, name="event_keys"),
    path("metrics", metrics, name="metrics"),
    path("scim/token", token_endpoint, name="scim_token"),
    re_path(f"^{SCIM}", include("scim.urls")),
    path("api/v1/", include("provisioning.api.urls")),
    # The only pages of django-allauth that the portal has; their addresses are those of Django's admin.
    path("login/", SignIn.as_view(), name="account_login"),
    path("logout/", SignOut.as_view(), name="account_logout"),
    path("welcome/<uidb64>/<token>/", ChoosePassword.as_view(), name="choose_password"),
    # Where Django's admin usually is, and where people look for it.
    path("admin/", RedirectView.as_view(pattern_name="admin:index", query_string=True)),
    path("", admin.site.urls),
]
