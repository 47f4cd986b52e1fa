"""The addresses of sign-ins through identity providers, below /login/."""

from django.urls import path

from config.sso.views import begin, come_back

urlpatterns = [
    path("with/<slug:slug>/", begin, name="oidc_login"),
    path("with/<slug:slug>/back/", come_back, name="oidc_callback"),
]
