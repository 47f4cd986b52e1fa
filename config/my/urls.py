"""The addresses of one's own sign-in, below /my/."""

from django.urls import include, path

from config.my.views import OwnAccount, OwnPassword, OwnSessions

urlpatterns = [
    path("account/", OwnAccount.as_view(), name="my_account"),
    path("password/", OwnPassword.as_view(), name="my_password"),
    path("sessions/", OwnSessions.as_view(), name="my_sessions"),
    path("", include("config.second_factor.urls")),
]
