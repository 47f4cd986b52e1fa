"""What a SCIM application may do, whom it sees, and how it recognises people."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget, UnfoldBooleanSwitchWidget

from scim.models import Client

USERS = {
    "create_users": ("Create users", "A person who is assigned there is added to the portal and to its directories."),
    "update_users": ("Update users", "Changes of a person there are made here."),
    "deactivate_users": (
        "Deactivate users",
        "A person who is unassigned or set inactive there is deactivated here, and comes back when set active again.",
    ),
    "delete_users": (
        "Delete users",
        "A request to delete a person is carried out. Off, it is refused and the person stays.",
    ),
}
DELETING = {
    "delete_deactivated": (
        "Delete the deactivated users",
        "On: people whom the application deactivates or deletes leave the portal and are deprovisioned everywhere, "
        "after the days below. Off: they are only disabled, and stay on the list of users.",
    ),
}
GROUPS = {
    "sync_groups": ("Push groups", "The application creates, renames and deletes groups."),
    "sync_members": ("Push memberships", "The application says who is in its groups."),
}
READING = {
    "read": (
        "Read people and groups",
        "The application may look people and groups up, and import them. Nearly every product asks before it sends, "
        "so leave this on; off, every look-up is refused.",
    ),
}
LABELS = {name: words[0] for part in (USERS, DELETING, GROUPS, READING) for name, words in part.items()}


class FeaturesForm(forms.ModelForm[Client]):
    """The switches, with what each means."""

    class Meta:
        model = Client
        fields = (*LABELS, "recycle_days", "reach", "match")
        labels = LABELS | {
            "recycle_days": "Days until they are deleted",
            "reach": "It sees and touches",
            "match": "It recognises people by",
        }
        help_texts = {
            "recycle_days": "Within these days, setting the person active again brings everything back. 0 deletes "
            "within the hour.",
            "reach": "Accounts that can sign in to this portal are never seen or touched, whatever is chosen.",
            "match": "When it creates someone who is on the roll already: the person is linked to it, not made twice. "
            "Whoever is not recognised and would be a duplicate is refused, and the report says why.",
        }
        widgets = {
            **dict.fromkeys(LABELS, UnfoldBooleanSwitchWidget()),
            "recycle_days": UnfoldAdminIntegerFieldWidget(attrs={"min": 0}),
            "reach": UnfoldAdminSelectWidget(),
            "match": UnfoldAdminSelectWidget(),
        }

    @property
    def panels(self) -> list[tuple[str, list[tuple[forms.BoundField, str]]]]:
        """The switches by panel, each with its explanation."""
        parts = (("Users", USERS), ("Groups", GROUPS), ("Reading", READING))
        return [(title, self._switches(part)) for title, part in parts]

    @property
    def deleting(self) -> list[tuple[forms.BoundField, str]]:
        """The switch that takes people out of the portal."""
        return self._switches(DELETING)

    def _switches(self, part: dict[str, Any]) -> list[tuple[forms.BoundField, str]]:
        return [(self[name], words[1]) for name, words in part.items()]
