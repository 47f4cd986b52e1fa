"""The accounts of one user in every directory, on the user page: how they stand, what comes next, and the buttons."""

import datetime as dt
from dataclasses import dataclass

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from directories.config import record_sources
from directories.models import Directory
from provisioning import reach, services
from provisioning.admin.panels import loaded_later, viewed
from provisioning.admin.users.password import may_set
from provisioning.admin.users.standing import last_decision, standing
from provisioning.imports.users.plan import AGAIN
from provisioning.models import Account, Change, PendingPassword, User
from provisioning.models.accounts import AccountState, LastResult
from provisioning.receipts.models import Receipt
from provisioning.services import Step

NEXT = {
    Step.LINK: "linked with the account that is there",
    Step.CREATE: "created",
    Step.ENABLE: "enabled",
    Step.UPDATE: "updated",
    Step.DISABLE: "disabled",
    Step.DELETE: "deleted",
}
NOT_GIVEN_BACK = (
    "The account was not given back: it is gone, or one is being made for this person. Look again in a minute."
)
ALL = "all"  # in place of an account: all that are refused
RECORD = "What {} says of this person. It is no account, and the portal only reads it."
NOT_KEPT = "Nothing is scheduled for this account any more, or it is being deleted just now."
STATE_COLOURS = {AccountState.ACTIVE: "success", AccountState.DISABLED: "danger", AccountState.PENDING: "info"}


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One directory; ``account`` is None where the user has none.

    ``still_open``: the user is inactive and the account can be used. ``is_record``: it is no account, but what a source
    says of the person. ``refused_since`` is when the directory refused a
    change, None when nothing waits for a person. ``lost`` is the account that the directory has kept of a
    deleted person of that name. ``final`` is why its scheduled deletion cannot be undone. ``tried_at`` is when what
    waits is tried next, None when that is at once. ``stays``: the portal would change nothing there now.
    """

    directory: Directory
    account: Account | None
    colour: str
    next: str
    waiting: bool
    password: PendingPassword | None
    still_open: bool = False
    refused_since: dt.datetime | None = None
    lost: Account | None = None
    final: str = ""
    tried_at: dt.datetime | None = None
    stays: bool = False
    is_record: bool = False

    @property
    def light(self) -> str:
        """The colour of its light: what is wrong, what waits, what is open, what is closed or not there."""
        if self.still_open or self.refused_since:
            return "danger"
        if self.waiting:
            return "warning"
        return "success" if self.usable else "skipped"

    @property
    def usable(self) -> bool:
        """Whether there is an account with which one gets in."""
        return self.account is not None and self.account.state == AccountState.ACTIVE and not self.is_record

    @property
    def heard_next(self) -> bool:
        """Whether what the directory says of the person is taken only with its next import of everything."""
        return self.account is not None and self.account.seen_digest.startswith(AGAIN)

    @property
    def left_alone(self) -> bool:
        """Whether the directory's settings say that the account stays as it is."""
        return self.account is not None and self.account.last_result == LastResult.OK


class AccountsPanel(admin.ModelAdmin):  # type: ignore[type-arg]
    """Adds the panel and its address to the user page; it also says at the head of the page how the person stands."""

    @admin.display(description="Accounts")
    def accounts_panel(self, user: User) -> SafeString:
        """Load the panel after the page, which then waits for no directory's settings."""
        return loaded_later("provisioning_user_accounts", user.pk, "Looking at the directories …")

    def get_urls(self) -> list[URLPattern]:
        """Add the panel's address."""
        view = self.admin_site.admin_view(self.accounts_view)
        return [path("<path:object_id>/accounts/", view, name="provisioning_user_accounts"), *super().get_urls()]

    def accounts_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the accounts; a POST syncs the user, tries a parked account again, or gives back a lost one."""
        if request.method not in {"GET", "POST"}:
            return HttpResponseNotAllowed(["GET", "POST"])
        user = viewed(self, request, object_id)
        may_sync = request.user.has_perm("provisioning.change_change")
        may_keep = request.user.has_perm("provisioning.change_scheduleddeletion")
        refusal = ""
        if request.method == "POST":
            keep = request.POST.get("keep", "")
            if not (may_keep if keep else may_sync):
                raise PermissionDenied
            refusal = _keep(request, user, keep) if keep else _act(self, request, user)
        rows = rows_of(user)
        context = {
            "rows": rows,
            "user": user,
            "standing": standing(user, rows, last_decision(user), by_whom=request.user.has_perm(reach.SEE)),
            "may_sync": may_sync,
            "may_keep": may_keep,
            "may_give_back": may_sync and self.has_change_permission(request, user),
            "refusal": refusal,
            "may_set_password": may_set(request, user),
            "may_leave": self.has_change_permission(request, user) and user.pk != request.user.pk,
            "receipt": _receipt(request, user),
            "poll": any(row.waiting for row in rows),
            "page": request.build_absolute_uri(reverse("admin:provisioning_user_change", args=[user.pk])),
        }
        return TemplateResponse(request, "provisioning/user/accounts.html", context)


def rows_of(user: User) -> list[AccountRow]:
    """Return one row a directory: those where the user has an account first."""
    # What waits is read first: what ends meanwhile is then shown as waiting once more, and never as it was before.
    changes = list(Change.objects.filter(account__user=user).order_by("-pk").values_list("account_id", "parked"))
    queued = {account for account, parked in changes if parked is None}
    refused = {account: parked for account, parked in changes if parked}
    accounts = {account.directory_id: account for account in Account.objects.filter(user=user)}
    pending = {one.account_id: one for one in PendingPassword.objects.filter(account__user=user)}
    lost = {account.directory_id: account for account in services.lost_to(user)}
    final = services.final_deletions({account.directory_id for account in accounts.values() if account.delete_at})
    sources = set(record_sources().values_list("pk", flat=True))
    found = []
    for directory in Directory.objects.order_by("name"):
        account = accounts.get(directory.pk)
        is_record = account is not None and directory.pk in sources
        open_ = account is not None and account.state == AccountState.ACTIVE and not user.is_active and not is_record
        colour = STATE_COLOURS.get(AccountState(account.state), "") if account else ""
        waiting = account is not None and account.pk in queued
        words, stays = (RECORD.format(directory), True) if is_record else _next(user, directory, account)
        password = pending.get(account.pk) if account else None
        found.append(
            AccountRow(
                directory=directory,
                account=account,
                colour="danger" if open_ else colour,
                next=words,
                waiting=waiting,
                password=password,
                still_open=open_,
                refused_since=refused.get(account.pk) if account else None,
                lost=lost.get(directory.pk),
                final=final.get(directory.pk, ""),
                tried_at=_tried_at(directory, account) if waiting else None,
                stays=stays,
                is_record=is_record,
            )
        )
    return sorted(found, key=lambda row: row.account is None)


def _receipt(request: HttpRequest, user: User) -> Receipt | None:
    """Return the newest receipt of the user, for those who may see it."""
    may_see = request.user.has_perm("receipts.view_receipt")
    return Receipt.objects.filter(user_id=user.pk).order_by("-pk").first() if may_see else None


def _tried_at(directory: Directory, account: Account | None) -> dt.datetime | None:
    """Return when what waits for the account is tried next, None for at once."""
    moment = directory.retry_at if directory.unreachable_since else account.not_before if account else None
    return moment if moment and moment > timezone.now() else None


def _next(user: User, directory: Directory, account: Account | None) -> tuple[str, bool]:
    """Return what the portal would do now, in words, and whether that is nothing."""
    if account and account.last_result == LastResult.PARKED:
        return "Nothing, until somebody presses Retry.", False
    plan = services.preview(user, directory)
    if not plan.steps and account and account.delete_at:
        return f"Nothing until {timezone.localtime(account.delete_at):%Y-%m-%d}, when it is deleted.", True
    if not plan.steps:
        return plan.reason, True
    message = f"Will be {' and '.join(NEXT[Step(step)] for step in plan.steps)}"
    if not directory.enabled:
        return f"{message} when {directory.name} is switched on.", False
    if directory.unreachable_since:
        return f"{message} when {directory.name} can be reached again.", False
    return f"{message} shortly.", False


def _act(panel: AccountsPanel, request: HttpRequest, user: User) -> str:
    """Do what a button asks for; return why it was not done, "" when it was."""
    actor, lost = request.user.get_username(), request.POST.get("lost", "")
    if not lost.isdecimal():
        _sync(user, request.POST.get("account", ""), actor)
        return ""
    if not panel.has_change_permission(request, user):
        raise PermissionDenied
    return "" if services.give_back(user, int(lost), actor) else NOT_GIVEN_BACK


def _keep(request: HttpRequest, user: User, account: str) -> str:
    """Cancel the deletion of an account; return why that was not done, "" when it was."""
    theirs = Account.objects.filter(user=user, pk=int(account) if account.isdecimal() and len(account) < 19 else 0)
    return "" if services.cancel_deletions(theirs, request.user.get_username()) else NOT_KEPT


def _sync(user: User, account: str, actor: str) -> None:
    parked = Change.objects.filter(account__user=user, parked__isnull=False)
    if account == ALL:
        services.retry(parked, actor)
    elif account.isdecimal():
        services.retry(parked.filter(account=int(account)), actor)
    else:
        services.provision(user, "asked for", actor)
