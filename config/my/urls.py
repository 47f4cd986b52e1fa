"""The addresses of one's own sign-in, below /my/."""

from django.contrib.auth.decorators import login_required
from django.urls import include, path
from django.views.generic import RedirectView

from config.my.views import OwnAccount, OwnPassword, OwnSessions

urlpatterns = [
    path("", login_required(RedirectView.as_view(pattern_name="my_account")), name="my_start"),
    path("account/", OwnAccount.as_view(), name="my_account"),
    path("password/", OwnPassword.as_view(), name="my_password"),
    path("sessions/", OwnSessions.as_view(), name="my_sessions"),
    path("", include("config.second_factor.urls")),
]
