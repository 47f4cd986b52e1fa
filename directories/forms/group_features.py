"""The part of the features form that is about groups: words, and why something cannot be switched on."""

from collections.abc import Collection, Mapping

from directories.connectors.base import Capability

SWITCHES = ("sync_groups", "import_groups", "delete_groups")
FIELDS = (*SWITCHES, "push_groups", "max_lost_members", "max_lost_members_percent")
LABELS: Mapping[str, str] = {
    "sync_groups": "Enable group sync",
    "import_groups": "Import groups",
    "delete_groups": "Delete groups",
}
OTHER_LABELS: Mapping[str, str] = {
    "push_groups": "Groups that the directory gets",
    "max_lost_members": "Memberships that one import may take away",
    "max_lost_members_percent": "… or per cent of the directory's memberships",
}
EXPLANATIONS: Mapping[str, str] = {
    "sync_groups": "Keep groups and who is in them in step: whenever a user is added or changed, the groups follow.",
    "import_groups": "Bring the directory's groups and their members into the portal with every import. The directory "
    "goes on owning them: the portal does not edit them.",
    "delete_groups": "Delete the directory's group when it is deleted from the portal, or no longer chosen for the "
    "directory. Off: the group stays there as it is.",
}
PUSH_HELP = (
    "Groups of the portal are created in the directory and renamed with it; members come and go one by one. What the "
    "directory itself put into a group is left alone. Which ones are chosen stands on each group's page."
)


def reason(name: str, can: Collection[Capability], *, templates: bool) -> str:
    """Return why a switch cannot be used, "" when it can; ``templates``: the directory is spoken to by statements."""
    reads = Capability.IMPORT_GROUPS in can
    writes = {Capability.CREATE_GROUP, Capability.MEMBERS} & set(can)
    if name == "sync_groups" and not reads and not writes:
        return (
            "Write queries for groups under Query templates first: those that import, or those that create."
            if templates
            else "This directory has no groups as it is set up. Look at Groups under Connection."
        )
    if name == "import_groups" and not reads:
        return (
            "Write an import groups and an import memberships query under Query templates first."
            if templates
            else "The directory's groups cannot be read as it is set up."
        )
    if name == "delete_groups" and Capability.DELETE_GROUP not in can:
        return (
            "Write a delete group query under Query templates first."
            if templates
            else "Groups cannot be deleted as the directory is set up."
        )
    return ""


def push_warning(can: Collection[Capability], *, templates: bool) -> str:
    """Return what is missing for groups to go out, "" for nothing."""
    missing = [
        words
        for capability, words in (
            (Capability.CREATE_GROUP, "a create group query"),
            (Capability.MEMBERS, "an add member and a remove member query"),
        )
        if capability not in can
    ]
    if not missing:
        return ""
    if templates:
        return f"Nothing goes out yet: write {' and '.join(missing)} under Query templates."
    return "Nothing goes out yet: the directory's groups cannot be written as it is set up."
