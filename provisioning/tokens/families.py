"""The families of resources to which a token's scopes are given, and what each is about in words."""

from collections.abc import Mapping

USERS, PASSWORDS, GROUPS = "users", "passwords", "groups"
DIRECTORIES, RUNS, OPERATIONS, REPORT = "directories", "runs", "operations", "report"
CONFIGURATION, CONTRACTS, REQUESTS = "configuration", "contracts", "requests"

FAMILIES: Mapping[str, str] = {
    USERS: "Users",
    PASSWORDS: "Passwords in directories",
    GROUPS: "Groups and memberships",
    DIRECTORIES: "Directories, their mappings, queries and settings",
    RUNS: "Imports, their plans, approvals and undo",
    OPERATIONS: "What failed and what waits",
    REPORT: "Provisioning report and evidence",
    CONFIGURATION: "Custom attributes, rules and receivers of events",
    CONTRACTS: "Contracts and departments",
    REQUESTS: "Products and requests",
}
WRITTEN = frozenset(FAMILIES) - {REPORT}
"""Families with anything that the API writes; in the report a token only reads."""
