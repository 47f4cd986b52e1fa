"""Why a feature cannot be switched on for a directory as it is set up, in words that say what to do first."""

from collections.abc import Collection

from directories.connectors.base import Capability
from directories.forms import group_features


def reason(name: str, can: Collection[Capability], *, password_column: bool, templates: bool) -> str:
    """Return what is missing for a feature, "" for nothing; ``templates``: the directory is spoken to by statements."""
    if name in group_features.SWITCHES:
        return group_features.reason(name, can, templates=templates)
    if not templates:
        return _without_templates(name, can, password_column)
    match name:
        case "import_users" | "deactivate_missing" if Capability.IMPORT not in can:
            return "Name the user table and the user name column under Connection first."
        case "import_passwords" if not password_column:
            return "Name the password column under Connection first."
        case "create_users" if Capability.CREATE not in can:
            return "Write a create query under Query templates first."
        case "update_users" if Capability.UPDATE not in can:
            return "Write an update query under Query templates first."
        case "set_passwords" if Capability.SET_PASSWORD not in can:
            return "Write a set password query under Query templates first."
        case "listen" if Capability.LISTEN not in can:
            return "This kind of directory does not tell of changes by itself."
    return ""


def _without_templates(name: str, can: Collection[Capability], password_column: bool) -> str:
    """A connector without query templates can do what its settings allow."""
    needs = {
        "import_users": {Capability.IMPORT},
        "deactivate_missing": {Capability.IMPORT},
        "create_users": {Capability.CREATE},
        "update_users": {Capability.UPDATE},
        "set_passwords": {Capability.SET_PASSWORD},
        "listen": {Capability.LISTEN},
    }
    if name == "import_passwords" and not password_column:
        return "This kind of directory does not give passwords away."
    if name == "set_passwords" and Capability.SET_PASSWORD not in can:
        return "Passwords need an encrypted connection: choose LDAPS or StartTLS under Connection first."
    if name == "listen" and Capability.LISTEN not in can:
        return "This kind of server does not tell of changes by itself. Read changes every few minutes instead."
    wanted = needs.get(name)
    return "" if wanted is None or wanted & set(can) else "Complete the connection first, or let it be able to do this."
