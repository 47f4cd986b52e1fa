"""The addresses of the API, below ``/api/v1/``."""

from django.urls import path, re_path

from provisioning.api.contracts import ApiContract, ApiContracts
from provisioning.api.definitions import ApiDefinition, ApiDefinitions
from provisioning.api.directories import ApiDirectories, ApiDirectory
from provisioning.api.events import ApiEvent, ApiEvents
from provisioning.api.gateways import Enrol, Exchange
from provisioning.api.groups import ApiGroup, ApiGroups, ApiMembership, ApiMemberships
from provisioning.api.operations import (
    ApiGroupOperation,
    ApiGroupOperations,
    ApiOperation,
    ApiOperations,
    RetryGroupOperation,
    RetryOperation,
)
from provisioning.api.passwords import SetPassword
from provisioning.api.problems import nothing
from provisioning.api.products import ApiProduct, ApiProducts
from provisioning.api.readable import READABLE
from provisioning.api.requests import ApiRequest, ApiRequests, ApproveRequest, RefuseRequest
from provisioning.api.rules import ApiRule, ApiRules, PublishRule, TakeBackRule
from provisioning.api.runs import ApiRun, ApiRunChanges, ApiRuns, ApproveRun, CancelRun, UndoRun
from provisioning.api.schema import ApiDocs, ApiSchema
from provisioning.api.sources import Close, Departments, OneDelivery, Records
from provisioning.api.subscriptions import ApiSubscription, ApiSubscriptions, RotateSecret
from provisioning.api.users import ApiUser, ApiUsers

SOURCE = "sources/<str:name>"

urlpatterns = [
    path("schema/", ApiSchema.as_view(), name="api-schema"),
    path("docs/", ApiDocs.as_view(), name="api-docs"),
    path("users", ApiUsers.as_view(), name="api-users"),
    path("users/<int:pk>", ApiUser.as_view(), name="api-user"),
    path("users/<str:username>/password", SetPassword.as_view(), name="api-set-password"),
    path("groups", ApiGroups.as_view(), name="api-groups"),
    path("groups/<int:pk>", ApiGroup.as_view(), name="api-group"),
    path("memberships", ApiMemberships.as_view(), name="api-memberships"),
    path("memberships/<int:pk>", ApiMembership.as_view(), name="api-membership"),
    path("runs", ApiRuns.as_view(), name="api-runs"),
    path("runs/<int:pk>", ApiRun.as_view(), name="api-run"),
    path("runs/<int:pk>/changes", ApiRunChanges.as_view(), name="api-run-changes"),
    path("runs/<int:pk>/approve", ApproveRun.as_view(), name="api-run-approve"),
    path("runs/<int:pk>/cancel", CancelRun.as_view(), name="api-run-cancel"),
    path("runs/<int:pk>/undo", UndoRun.as_view(), name="api-run-undo"),
    path("operations", ApiOperations.as_view(), name="api-operations"),
    path("operations/<int:pk>", ApiOperation.as_view(), name="api-operation"),
    path("operations/<int:pk>/retry", RetryOperation.as_view(), name="api-operation-retry"),
    path("group-operations", ApiGroupOperations.as_view(), name="api-group-operations"),
    path("group-operations/<int:pk>", ApiGroupOperation.as_view(), name="api-group-operation"),
    path("group-operations/<int:pk>/retry", RetryGroupOperation.as_view(), name="api-group-operation-retry"),
    path("events", ApiEvents.as_view(), name="api-events"),
    path("events/<int:pk>", ApiEvent.as_view(), name="api-event"),
    path("directories", ApiDirectories.as_view(), name="api-directories"),
    path("directories/<int:pk>", ApiDirectory.as_view(), name="api-directory"),
    path("attribute-definitions", ApiDefinitions.as_view(), name="api-attribute-definitions"),
    path("attribute-definitions/<int:pk>", ApiDefinition.as_view(), name="api-attribute-definition"),
    path("rules", ApiRules.as_view(), name="api-rules"),
    path("rules/<int:pk>", ApiRule.as_view(), name="api-rule"),
    path("rules/<int:pk>/publish", PublishRule.as_view(), name="api-rule-publish"),
    path("rules/<int:pk>/take-back", TakeBackRule.as_view(), name="api-rule-take-back"),
    path("subscriptions", ApiSubscriptions.as_view(), name="api-subscriptions"),
    path("subscriptions/<int:pk>", ApiSubscription.as_view(), name="api-subscription"),
    path("subscriptions/<int:pk>/rotate", RotateSecret.as_view(), name="api-subscription-rotate"),
    path("contracts", ApiContracts.as_view(), name="api-contracts"),
    path("contracts/<int:pk>", ApiContract.as_view(), name="api-contract"),
    path("products", ApiProducts.as_view(), name="api-products"),
    path("products/<int:pk>", ApiProduct.as_view(), name="api-product"),
    path("requests", ApiRequests.as_view(), name="api-requests"),
    path("requests/<int:pk>", ApiRequest.as_view(), name="api-request"),
    path("requests/<int:pk>/approve", ApproveRequest.as_view(), name="api-request-approve"),
    path("requests/<int:pk>/refuse", RefuseRequest.as_view(), name="api-request-refuse"),
    *READABLE,
    path("gateway/enrol", Enrol.as_view(), name="api-gateway-enrol"),
    path("gateway/exchange", Exchange.as_view(), name="api-gateway-exchange"),
    path(f"{SOURCE}/records", Records.as_view(), name="api-push-records"),
    path(f"{SOURCE}/departments", Departments.as_view(), name="api-push-departments"),
    path(f"{SOURCE}/deliveries/<int:number>", OneDelivery.as_view(), name="api-delivery"),
    path(f"{SOURCE}/deliveries/<int:number>/close", Close.as_view(), name="api-close-delivery"),
    re_path("", nothing, name="api-nothing"),
]
