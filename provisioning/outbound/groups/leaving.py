"""An account that is about to be deleted leaves its groups first, as far as the portal put it into them.

Most servers do not do that by themselves: an LDAP group would go on naming the entry that is gone, and a database may
refuse to delete a user who is in a table of members.
"""

from directories.connectors.base import Capability, Connector, ConnectorError, Entry, GroupEntry, Unavailable
from provisioning.models import Account, GroupAccount, PushedMember


def entry_of(account: GroupAccount, connector: Connector) -> GroupEntry:
    """Return what a connector needs to know of a group that is in its directory."""
    group = account.group
    described = group is not None and connector.describes_groups
    return GroupEntry(
        name=account.key,
        ref=account.remote_id,
        description=group.description if group and described else "",
        portal_id=str(group.scim_id) if group else "",
    )


def leave_groups(connector: Connector, account: Account, entry: Entry) -> None:
    """Take the account out of its groups; what is refused does not stop the deletion. Raise Unavailable."""
    if Capability.MEMBERS not in connector.capabilities:
        return
    for pushed in PushedMember.objects.filter(account=account).select_related("group_account__group").order_by("pk"):
        try:
            connector.remove_members(entry_of(pushed.group_account, connector), [entry])
        except Unavailable:
            raise
        except ConnectorError:
            continue  # the deletion itself will say what is wrong
