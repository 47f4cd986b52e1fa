"""The roll, the accounts in directories, the outbox and the imports."""

from provisioning.models.accounts import Account, Change, ScheduledDeletion
from provisioning.models.blueprints import AppliedBlueprint
from provisioning.models.grants import Grant
from provisioning.models.groups import Group, GroupAccount, GroupChange, Membership, Nesting, PushedMember
from provisioning.models.heartbeat import Heartbeat
from provisioning.models.imports import Decision, ImportRun, PlannedChange, PlannedGroup, PlannedMember
from provisioning.models.passwords import PendingPassword
from provisioning.models.people import AttributeDefinition, User

__all__ = [
    "Account",
    "AppliedBlueprint",
    "AttributeDefinition",
    "Change",
    "Decision",
    "Grant",
    "Group",
    "GroupAccount",
    "GroupChange",
    "Heartbeat",
    "ImportRun",
    "Membership",
    "Nesting",
    "PendingPassword",
    "PlannedChange",
    "PlannedGroup",
    "PlannedMember",
    "PushedMember",
    "ScheduledDeletion",
    "User",
]
