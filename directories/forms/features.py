"""Features, schedule and guard limits of a directory."""

from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTimeWidget,
    UnfoldBooleanSwitchWidget,
    UnfoldBooleanWidget,
)

from directories.attributes import Kind, PortalAttribute, Type
from directories.connectors.base import Capability
from directories.encryption import is_lost
from directories.forms import group_features
from directories.forms.connection import RETYPE
from directories.forms.feature_reasons import push_warning, reason
from directories.models import InitialPassword, ProvisioningSettings, PushGroups, Schedule

MATCHED = ("username", "email", "employee_number")


@dataclass(frozen=True, slots=True)
class Switch:
    """One feature: its field, what it does in one line, and why it cannot be switched on when it cannot."""

    field: forms.BoundField
    explanation: str
    reason: str

    @property
    def locked(self) -> bool:
        """Whether it is off and cannot be switched on."""
        return bool(self.reason) and not self.field.value()


EXPLANATIONS = {
    "import_users": "Bring the directory's users into the portal, by hand or on a schedule.",
    "create_users": "Add a user to the directory when one is added to the portal.",
    "update_users": "Change the directory's account when the user changes in the portal.",
    "deactivate_users": "Act when a user is deactivated in the portal (what happens is chosen below).",
    "delete_users": "Act when a user is deleted from the portal (what happens is chosen below).",
    "deactivate_missing": "Deactivate users in the portal who were imported from here and are gone from the directory.",
    "set_passwords": "Set the password of the directory's account when somebody sets the user's in the portal.",
    "follow_renames": "Give users in the portal the new name when the directory names them otherwise.",
    "listen": "Import within seconds what changes in the directory, instead of waiting for the schedule.",
    "four_eyes": "Let a plan be approved only by somebody else than who started the import or changed these settings.",
    "import_passwords": "Bring the passwords along: known hashes are kept, clear text is hashed on the way in.",
    **group_features.EXPLANATIONS,
}
LABELS = {
    "import_users": "Import users",
    "create_users": "Create users",
    "update_users": "Update users",
    "deactivate_users": "Deactivate users",
    "delete_users": "Delete users",
    "deactivate_missing": "Deactivate users missing from the source",
    "import_passwords": "Import passwords",
    "set_passwords": "Set passwords",
    "listen": "Follow changes as they happen",
    "follow_renames": "Follow renamed users",
    "four_eyes": "Four eyes for approvals",
    **group_features.LABELS,
}
LIMITS = {  # the number of a limit, and the share that goes with it
    "max_leavers": "max_leavers_percent",
    "max_blanked": "max_blanked_percent",
    "max_activated": "max_activated_percent",
    "max_created": "max_created_percent",
    "max_changed": "max_changed_percent",
    "max_opened": "",
    "max_lost_members": "max_lost_members_percent",
    "max_elevated": "",
    "max_contracts_added": "max_contracts_added_percent",
    "max_contracts_removed": "max_contracts_removed_percent",
    "max_contracts_changed": "max_contracts_changed_percent",
    "max_blocked": "max_blocked_percent",
    "max_department_percent": "",
    "max_group_percent": "",
}
LIMIT_LABELS = {  # all of them hold for 24 hours
    "max_leavers": "People who may be deactivated, and accounts that may be closed here",
    "max_leavers_percent": "Share of the directory's users, in per cent",
    "max_blanked": "People who may lose a value",
    "max_blanked_percent": "Share of the directory's users who may lose a value, in per cent",
    "max_activated": "People who may be activated again",
    "max_activated_percent": "Share of the directory's users who may be activated again, in per cent",
    "max_created": "People who may be added, beside those known",
    "max_created_percent": "Share of the directory's users who may be new, in per cent",
    "max_changed": "People for whom one attribute may change",
    "max_changed_percent": "Share of the directory's users for whom one attribute may change, in per cent",
    "max_opened": "Accounts that may be opened in other directories",
    "max_elevated": "Memberships of privileged groups that may be given",
    "max_contracts_added": "People who may get another contract",
    "max_contracts_added_percent": "Share of the directory's users who may get another contract, in per cent",
    "max_contracts_removed": "People who may lose a contract",
    "max_contracts_removed_percent": "Share of the directory's users who may lose a contract, in per cent",
    "max_contracts_changed": "People whose contracts may change",
    "max_contracts_changed_percent": "Share of the directory's users whose contracts may change, in per cent",
    "max_blocked": "People who may be blocked by HR",
    "max_blocked_percent": "Share of the directory's users who may be blocked, in per cent",
    "max_department_percent": "Share of one department that may be deactivated, in per cent",
    "max_group_percent": "Share of one group that may be lost, in per cent",
}
GUARDS = [name for pair in LIMITS.items() for name in pair if name]
LEAVERS = (
    "Say what happens to the accounts of people who leave: switch this on and choose below. To leave them as they are "
    "is a choice too."
)
USUAL_RANK = 100
MATCHING = ("match_attribute", "match_second", "match_third")  # in the order in which they are tried
INBOUND = ("import_users", "deactivate_missing", "import_passwords", "follow_renames")
OUTBOUND = ("create_users", "update_users", "deactivate_users", "delete_users", "set_passwords")


class ProvisioningForm(forms.ModelForm[ProvisioningSettings]):
    """The provisioning settings; the fixed password is never rendered, a blank box keeps the stored one.

    ``lacking`` says what is missing for which capability, so that some switches cannot be used; ``moved`` that accounts
    would now be made in another place, to which the stored fixed password is not sent by itself. The draft sets both.
    """

    fixed_password = forms.CharField(
        required=False,
        max_length=256,
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
    )

    class Meta:
        model = ProvisioningSettings
        fields = (
            *("import_users", "deactivate_missing", "import_passwords"),
            *("create_users", "update_users", "deactivate_users", "delete_users", "set_passwords", "accounts_for"),
            *("on_deactivate", "on_delete", "delete_after_days", "groups_of_leavers"),
            *(*MATCHING, "initial_password", "password_storage"),
            *("source_rank", "follow_renames", "four_eyes"),
            *("schedule", "schedule_time", "schedule_weekday", "incremental_minutes", "listen"),
            *GUARDS,
            *group_features.FIELDS,
        )
        labels = LABELS | {
            **group_features.OTHER_LABELS,
            "accounts_for": "Who gets an account",
            "on_deactivate": "When a user is deactivated",
            "on_delete": "When a user is deleted",
            "delete_after_days": "Delete the account after … days",
            "groups_of_leavers": "People who are deactivated lose their groups",
            "match_attribute": "Find the user by",
            "match_second": "Else by",
            "match_third": "Else by",
            "source_rank": "Rank among the sources",
            "schedule": "Import",
            "schedule_time": "At",
            "schedule_weekday": "On",
            "incremental_minutes": "Read changes in between, every … minutes",
            **LIMIT_LABELS,
        }
        help_texts = {
            "initial_password": "Used for ##PASSWORD## when an account is created.",
            "password_storage": "The form in which the directory is given passwords.",
            "incremental_minutes": "Blank: only whole imports. A whole import also finds who is gone.",
            "push_groups": group_features.PUSH_HELP,
            "delete_after_days": (
                "Blank: at once. Until then the account is disabled, and whoever returns has it again."
            ),
            "accounts_for": (
                "Of those who are active and provisioned. Whoever is not among them any more is treated here as "
                "somebody who was deactivated."
            ),
            "source_rank": "Of two sources that map the same attribute, the one with the lower number decides.",
            "match_attribute": "How an imported row finds its user when it is seen for the first time.",
            "match_second": "Where nobody has that value, and nobody contradicts it.",
            "match_third": "The last try.",
        }
        widgets = {
            **dict.fromkeys(LABELS, UnfoldBooleanSwitchWidget()),
            **dict.fromkeys(
                (
                    *("accounts_for", "on_deactivate", "on_delete", "initial_password", "password_storage"),
                    *("schedule", "schedule_weekday", "push_groups", "groups_of_leavers"),
                ),
                UnfoldAdminSelectWidget(),
            ),
            **dict.fromkeys(
                GUARDS,
                UnfoldAdminIntegerFieldWidget(),
            ),
            "incremental_minutes": UnfoldAdminIntegerFieldWidget(attrs={"min": 1}),
            "delete_after_days": UnfoldAdminIntegerFieldWidget(attrs={"min": 1}),
            "source_rank": UnfoldAdminIntegerFieldWidget(attrs={"min": 1}),
            "schedule_time": UnfoldAdminTimeWidget(attrs={"type": "time"}),
        }

    def __init__(
        self,
        data: Any = None,
        *,
        instance: ProvisioningSettings,
        catalogue: Iterable[PortalAttribute],
    ) -> None:
        super().__init__(data, instance=instance)
        self.lacking: Mapping[Capability, str] = {}
        self.moved = False
        self.lost = is_lost(instance, "fixed_password")
        self.stored_password = "" if self.lost else instance.fixed_password or ""
        choices = _matches(catalogue)
        for name in MATCHING:
            first = name == MATCHING[0]
            self.fields[name] = forms.ChoiceField(
                label=self.fields[name].label,
                help_text=self.fields[name].help_text,
                choices=choices if first else [("", "Nothing"), *choices],
                required=first,
                widget=UnfoldAdminSelectWidget(),
            )
        for name in ("source_rank", "groups_of_leavers", "accounts_for"):
            self.fields[name].required = False
        stored = "stored – leave blank to keep" if self.stored_password else ""
        self.fields["fixed_password"].widget.attrs["placeholder"] = stored
        if self.stored_password:
            self.fields["fixed_password_clear"] = forms.BooleanField(
                label="Remove the stored password", required=False, widget=UnfoldBooleanWidget()
            )

    def clean_accounts_for(self) -> str:
        """Keep what is stored where a form does not say it."""
        return self.cleaned_data.get("accounts_for") or self.instance.accounts_for

    def clean_source_rank(self) -> int:
        """Take the usual rank where none is given."""
        rank: int | None = self.cleaned_data.get("source_rank")
        return rank or USUAL_RANK

    def clean_groups_of_leavers(self) -> str:
        """Keep what is stored where nothing is said."""
        return self.cleaned_data.get("groups_of_leavers") or self.instance.groups_of_leavers

    def clean(self) -> dict[str, Any]:
        """Refuse a schedule without its time or day, and a fixed password that nobody typed."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        schedule = cleaned.get("schedule")
        if schedule in (Schedule.DAILY, Schedule.WEEKLY) and cleaned.get("schedule_time") is None:
            self.add_error("schedule_time", "Say at what time.")
        if schedule == Schedule.WEEKLY and cleaned.get("schedule_weekday") is None:
            self.add_error("schedule_weekday", "Say on which day.")
        newly = cleaned.get("create_users") and not self.initial.get("create_users")
        if newly and not cleaned.get("deactivate_users"):
            self.add_error("deactivate_users", LEAVERS)
        wants = cleaned.get("create_users") and cleaned.get("initial_password") == InitialPassword.FIXED
        if wants and not self._password():
            message = "Type the password that new accounts get, or choose a random one."
            self.add_error("fixed_password", RETYPE if self.moved and self.stored_password else message)
        return cleaned

    def save(self, commit: bool = True) -> ProvisioningSettings:
        """Store the fixed password as typed, kept or removed."""
        password = self._password()
        if password or not self.lost:  # what no key opens stays: the key may come back
            self.instance.fixed_password = password or None
        return super().save(commit)

    def unsaved(self) -> ProvisioningSettings:
        """Return the settings as the page has them; a page that is not valid keeps what was stored for the rest."""
        self.is_valid()
        draft = copy(self.instance)
        draft.fixed_password = self._password() or None
        return draft

    def _password(self) -> str:
        if not self.is_bound:
            return self._stored()
        if self.cleaned_data.get("fixed_password_clear"):
            return ""
        typed: str = self.cleaned_data.get("fixed_password") or ""
        return typed or self._stored()

    def _stored(self) -> str:
        return "" if self.moved else self.stored_password

    @property
    def inbound(self) -> list[Switch]:
        """The switches of what comes in."""
        return [self._switch(name) for name in INBOUND]

    @property
    def outbound(self) -> list[Switch]:
        """The switches of what goes out."""
        return [self._switch(name) for name in OUTBOUND]

    @property
    def groups(self) -> list[Switch]:
        """The switches of groups; what they need does not matter while group sync is off."""
        synced = bool(self["sync_groups"].value())
        found = [self._switch(name) for name in group_features.SWITCHES]
        return [
            switch if synced or switch.field.name == "sync_groups" else replace(switch, reason="") for switch in found
        ]

    @property
    def push_warning(self) -> str:
        """What is missing for groups to go out."""
        if self["push_groups"].value() == PushGroups.NONE:
            return ""
        return push_warning(self.lacking)

    @property
    def following(self) -> Switch:
        """The switch for changes as they happen."""
        return self._switch("listen")

    @property
    def approving(self) -> Switch:
        """The switch for who may approve."""
        return self._switch("four_eyes")

    @property
    def limits(self) -> list[tuple[forms.BoundField, forms.BoundField | None]]:
        """Each limit as a number, and as a share where it has one."""
        return [(self[number], self[share] if share else None) for number, share in LIMITS.items()]

    @property
    def incremental(self) -> bool:
        """Whether the directory can be asked for what changed."""
        return Capability.INCREMENTAL not in self.lacking

    def _switch(self, name: str) -> Switch:
        switch = Switch(self[name], EXPLANATIONS[name], reason(name, self.lacking))
        if switch.locked:
            self.fields[name].widget.attrs["disabled"] = True
        return switch


def _matches(catalogue: Iterable[PortalAttribute]) -> list[tuple[str, str]]:
    """Return what a row can be matched by: names that are meant to be one person's, and the admin's own attributes."""
    return [
        (f"{attribute.kind.value}.{attribute.name}", attribute.label)
        for attribute in catalogue
        if (attribute.kind is Kind.PROFILE and attribute.name in MATCHED)
        or (attribute.kind is Kind.CUSTOM_PROFILE and attribute.type in (Type.TEXT, Type.NUMBER))
    ]
