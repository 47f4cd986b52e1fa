"""The portal's URLs."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from config.dashboard import parts
from config.forgotten import Forgotten
from config.health import Healthz, Readyz
from config.metrics import metrics
from config.middleware import SCIM
from config.one_time_links import ChoosePassword
from config.overviews.pages import edit_licences, overview_file, overview_page, overviews
from config.search import search
from config.signin import again
from config.signin.views import ProveByPassword, SignOut
from config.sso.views import SignInWithProviders
from provisioning.admin.configuration.admin import object_history
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
    path("login/", SignInWithProviders.as_view(), name="account_login"),
    path("logout/", SignOut.as_view(), name="account_logout"),
    path("login/again/", again.start, name="prove_again"),
    path("login/again/password/", ProveByPassword.as_view(), name="account_reauthenticate"),
    path("login/forgotten/", Forgotten.as_view(), name="forgotten_password"),
    path("login/", include("config.second_factor.sign_in_urls")),
    path("login/", include("config.sso.urls")),
    path("my/", include("config.my.urls")),
    path("welcome/<uidb64>/<token>/", ChoosePassword.as_view(), name="choose_password"),
    path("my/", include("provisioning.requests.urls")),
    # Where Django's admin usually is, and where people look for it.
    path("admin/", RedirectView.as_view(pattern_name="admin:index", query_string=True)),
    path("start/", admin.site.admin_view(parts), name="start_parts"),
    path("overview/", admin.site.admin_view(overviews), name="overviews"),
    path("overview/licences/<int:directory_id>/", admin.site.admin_view(edit_licences), name="overview_licences_edit"),
    path("overview/<slug:overview>/", admin.site.admin_view(overview_page), name="overview"),
    *(
        path(
            f"overview/<slug:overview>/{kind}/",
            admin.site.admin_view(overview_file),
            {"kind": kind},
            name=f"overview_{kind}",
        )
        for kind in ("csv", "xlsx")
    ),
    # Django's own page would ask for no proof and end no other session: one's own does both.
    *(
        path(f"password_change/{end}", admin.site.admin_view(RedirectView.as_view(pattern_name="my_password")))
        for end in ("", "done/")
    ),
    path("<slug:app>/<slug:model>/<path:object_id>/history/", admin.site.admin_view(object_history), name="history"),
    path("search/", admin.site.admin_view(search), name="search"),  # before the theme's, which finds no people
    path("", admin.site.urls),
]
