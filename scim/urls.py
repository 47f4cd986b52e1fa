"""The service's addresses, named as django-scim2 names them. Some clients put a slash at the end."""

from django.urls import path, re_path

from scim.views.base import Nowhere
from scim.views.discovery import ResourceTypesView, SchemasView, ServiceProviderConfigView
from scim.views.users import MeView, UsersView, UserView

app_name = "scim"

urlpatterns = [
    re_path(r"^Users/?$", UsersView.as_view(), name="users"),
    re_path(r"^Users/(?P<uuid>[^/]+)/?$", UserView.as_view(), name="user"),
    re_path(r"^Me/?$", MeView.as_view(), name="me"),
    re_path(r"^ServiceProviderConfigs?/?$", ServiceProviderConfigView.as_view(), name="service-provider-config"),
    re_path(r"^ResourceTypes(?:/(?P<name>[^/]+))?/?$", ResourceTypesView.as_view(), name="resource-types"),
    re_path(r"^Schemas(?:/(?P<urn>[^/]+))?/?$", SchemasView.as_view(), name="schemas"),
    path("", Nowhere.as_view(), name="root"),
    re_path(r"^.*$", Nowhere.as_view(), name="nowhere"),
]
