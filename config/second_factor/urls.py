"""The addresses of one's own second factors, below /my/. The names are django-allauth's where it leads there itself."""

from django.urls import path

from config.second_factor import views

urlpatterns = [
    path("second-factor/", views.SecondFactor.as_view(), name="my_second_factor"),
    path("second-factor/", views.SecondFactor.as_view(), name="mfa_index"),
    path("second-factor/", views.SecondFactor.as_view(), name="mfa_list_webauthn"),
    path("second-factor/app/", views.AddApp.as_view(), name="mfa_activate_totp"),
    path("second-factor/app/remove/", views.RemoveApp.as_view(), name="mfa_deactivate_totp"),
    path("second-factor/passkey/", views.AddPasskey.as_view(), name="mfa_add_webauthn"),
    path("second-factor/passkey/<int:pk>/remove/", views.RemovePasskey.as_view(), name="mfa_remove_webauthn"),
    path("second-factor/codes/", views.Codes.as_view(), name="mfa_view_recovery_codes"),
    path("second-factor/codes/new/", views.NewCodes.as_view(), name="mfa_generate_recovery_codes"),
]
