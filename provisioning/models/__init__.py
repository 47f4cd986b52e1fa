"""The roll, the accounts in directories, the outbox and the imports."""

from provisioning.models.accounts import Account, Change
from provisioning.models.heartbeat import Heartbeat
from provisioning.models.imports import ImportRun, PlannedChange
from provisioning.models.people import AttributeDefinition, Group, Membership, User

__all__ = [
    "Account",
    "AttributeDefinition",
    "Change",
    "Group",
    "Heartbeat",
    "ImportRun",
    "Membership",
    "PlannedChange",
    "User",
]
