"""Why a feature cannot be switched on for a directory as it is set up. The words are the connector's own."""

from collections.abc import Mapping, Sequence

from directories.connectors.base import Capability

# What a feature needs; of several capabilities any one. A leaver's account can always be left as it is.
NEEDS: Mapping[str, Sequence[Capability]] = {
    "import_users": (Capability.IMPORT,),
    "deactivate_missing": (Capability.IMPORT,),
    "import_passwords": (Capability.IMPORT_PASSWORDS,),
    "create_users": (Capability.CREATE,),
    "update_users": (Capability.UPDATE,),
    "set_passwords": (Capability.SET_PASSWORD,),
    "listen": (Capability.LISTEN,),
    "sync_groups": (Capability.IMPORT_GROUPS, Capability.CREATE_GROUP, Capability.MEMBERS),
    "import_groups": (Capability.IMPORT_GROUPS,),
    "delete_groups": (Capability.DELETE_GROUP,),
}
PUSHED = (Capability.CREATE_GROUP, Capability.MEMBERS)


def reason(feature: str, lacking: Mapping[Capability, str]) -> str:
    """Return what is missing for a feature and what to do about it, "" for nothing."""
    needed = NEEDS.get(feature, ())
    return lacking[needed[0]] if needed and all(capability in lacking for capability in needed) else ""


def push_warning(lacking: Mapping[Capability, str]) -> str:
    """Return what is missing for groups to go out, "" for nothing."""
    missing = dict.fromkeys(lacking[capability] for capability in PUSHED if capability in lacking)
    return " ".join(["Nothing goes out yet.", *missing]) if missing else ""
