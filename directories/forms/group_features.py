"""The words of the features form that are about groups."""

from collections.abc import Mapping

SWITCHES = ("sync_groups", "import_groups", "delete_groups")
FIELDS = (*SWITCHES, "push_groups")
LABELS: Mapping[str, str] = {
    "sync_groups": "Enable group sync",
    "import_groups": "Import groups",
    "delete_groups": "Delete groups",
}
OTHER_LABELS: Mapping[str, str] = {
    "push_groups": "Groups that the directory gets",
    "max_lost_members": "Memberships that may be lost",
    "max_lost_members_percent": "Share of the directory's memberships that may be lost, in per cent",
}
EXPLANATIONS: Mapping[str, str] = {
    "sync_groups": "Keep groups and who is in them in sync: whenever a user is added or changed, the groups follow.",
    "import_groups": "Bring the directory's groups and their members into the portal with every import. The directory "
    "goes on owning them: the portal does not edit them.",
    "delete_groups": "Delete the directory's group when it is deleted from the portal, or no longer chosen for the "
    "directory. Off: the group stays there as it is.",
}
PUSH_HELP = (
    "Groups of the portal are created in the directory and renamed with it; members come and go one by one. What the "
    "directory itself put into a group is left alone. Which ones are chosen stands on each group's page."
)
