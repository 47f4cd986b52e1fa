"""The service's addresses, named as in django-scim2. Clients put a slash at the end, or an ampersand (OneLogin)."""

from django.urls import path, re_path

from scim.lists import search
from scim.views.base import Nowhere
from scim.views.bulk import BulkView
from scim.views.discovery import ResourceTypesView, SchemasView, ServiceProviderConfigView
from scim.views.groups import GroupsView, GroupView
from scim.views.search import RootView, SearchView
from scim.views.users import MeView, UsersView, UserView

app_name = "scim"

urlpatterns = [
    re_path(r"^Users/?&?$", UsersView.as_view(), name="users"),
    re_path(r"^Users/\.search/?$", SearchView.as_view(kinds=[search.USERS]), name="users-search"),
    re_path(r"^Users/(?P<uuid>[^/]+)/?$", UserView.as_view(), name="user"),
    re_path(r"^Groups/?&?$", GroupsView.as_view(), name="groups"),
    re_path(r"^Groups/\.search/?$", SearchView.as_view(kinds=[search.GROUPS]), name="groups-search"),
    re_path(r"^Groups/(?P<uuid>[^/]+)/?$", GroupView.as_view(), name="group"),
    re_path(r"^Me/?$", MeView.as_view(), name="me"),
    re_path(r"^ServiceProviderConfigs?/?$", ServiceProviderConfigView.as_view(), name="service-provider-config"),
    re_path(r"^ResourceTypes(?:/(?P<name>[^/]+))?/?$", ResourceTypesView.as_view(), name="resource-types"),
    re_path(r"^Schemas(?:/(?P<urn>[^/]+))?/?$", SchemasView.as_view(), name="schemas"),
    re_path(r"^\.search/?$", SearchView.as_view(), name="search"),
    re_path(r"^Bulk/?$", BulkView.as_view(), name="bulk"),
    path("", RootView.as_view(), name="root"),
    re_path(r"^[\s\S]*$", Nowhere.as_view(), name="nowhere"),
]
