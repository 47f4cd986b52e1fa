"""The addresses of the API, below ``/api/v1/``."""

from django.urls import path

from provisioning.api.gateways import Enrol, Exchange
from provisioning.api.passwords import SetPassword
from provisioning.api.sources import Close, Departments, OneDelivery, Records

SOURCE = "sources/<str:name>"

urlpatterns = [
    path("gateway/enrol", Enrol.as_view(), name="api-gateway-enrol"),
    path("gateway/exchange", Exchange.as_view(), name="api-gateway-exchange"),
    path("users/<str:username>/password", SetPassword.as_view(), name="api-set-password"),
    path(f"{SOURCE}/records", Records.as_view(), name="api-push-records"),
    path(f"{SOURCE}/departments", Departments.as_view(), name="api-push-departments"),
    path(f"{SOURCE}/deliveries/<int:number>", OneDelivery.as_view(), name="api-delivery"),
    path(f"{SOURCE}/deliveries/<int:number>/close", Close.as_view(), name="api-close-delivery"),
]
