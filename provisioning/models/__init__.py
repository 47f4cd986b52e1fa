"""The roll, the accounts in directories, the outbox and the imports."""

from provisioning.models.accounts import Account, Change
from provisioning.models.imports import ImportRun, PlannedChange
from provisioning.models.people import AttributeDefinition, Group, Membership, User

__all__ = ["Account", "AttributeDefinition", "Change", "Group", "ImportRun", "Membership", "PlannedChange", "User"]
