"""The addresses of second factors during a sign-in, below /login/."""

from allauth.mfa.webauthn.views import LoginWebAuthnView
from django.urls import path

from config.second_factor import views

urlpatterns = [
    path("second/", views.SecondStep.as_view(), name="mfa_authenticate"),
    path("passkey/", LoginWebAuthnView.as_view(), name="mfa_login_webauthn"),
    path("again/code/", views.ProveByCode.as_view(), name="mfa_reauthenticate"),
    path("again/passkey/", views.ProveByPasskey.as_view(), name="mfa_reauthenticate_webauthn"),
]
