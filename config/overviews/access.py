"""Who has what: every account of every person, and every membership."""

from collections.abc import Iterator

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from config.database import keyset
from config.overviews import counting
from config.overviews.base import AskedOverview, Overview, OverviewRow, chosen
from provisioning.models import Account, Membership, User
from provisioning.models.outbox import AccountState
from reports import charts
from reports.charts import Picture, Series

STATES = {
    AccountState.ACTIVE: charts.GREEN,
    AccountState.DISABLED: charts.GREY,
    AccountState.PENDING: charts.YELLOW,
}


def person_url(user: User | None) -> str:
    """Return the address of a person's page, "" for nobody."""
    return reverse("admin:provisioning_user_change", args=[user.pk]) if user else ""


def _account_rows(asked: AskedOverview, size: int) -> Iterator[OverviewRow]:
    """Yield the accounts of people, by directory and by name there: the order of an index."""
    for directory in chosen(asked):
        mine = Account.objects.filter(directory=directory, user__isnull=False).exclude(state=AccountState.ABSENT)
        ordered = mine.select_related("user").order_by("key", "pk")
        page = list(ordered[:size])
        while page:
            yield from (_account_row(directory.name, account) for account in page)
            last = page[-1]
            later = Q(key__gt=last.key) | Q(key=last.key, pk__gt=last.pk)
            page = list(ordered.filter(later, key__gte=last.key)[:size]) if len(page) == size else []


def _account_row(directory: str, account: Account) -> OverviewRow:
    user = account.user
    assert user is not None
    synced = f"{timezone.localtime(account.last_synced_at):%Y-%m-%d %H:%M}" if account.last_synced_at else ""
    return OverviewRow(
        (
            user.username,
            user.get_full_name(),
            user.department,
            directory,
            account.key,
            account.get_state_display(),
            account.get_last_result_display(),
            synced,
        ),
        person_url(user),
    )


def _picture(asked: AskedOverview) -> Picture | None:
    counted, directories = counting.accounts.read(), chosen(asked)
    shown = sorted(directories, key=lambda one: -counted[one.pk][AccountState.ACTIVE])[:15]
    series = [Series(state.label, [counted[one.pk][state] for one in shown], tone) for state, tone in STATES.items()]
    if not any(any(one.numbers) for one in series):
        return None
    words = "Accounts by directory: " + "; ".join(
        f"{one.name} {', '.join(f'{each.label.lower()} {each.numbers[place]:,}' for each in series)}"
        for place, one in enumerate(shown)
    )
    return charts.bars([one.name for one in shown], series, words, height=60 + 26 * len(shown), lying=True)


ACCOUNTS = Overview(
    name="accounts",
    title="Who has which account",
    about="Every account of every person, with its state and when it was last brought in sync.",
    icon="badge",
    permissions=("provisioning.view_user", "provisioning.view_account"),
    head=("User name", "Name", "Department", "Directory", "Account", "State", "Last result", "In sync at"),
    rows=_account_rows,
    picture=_picture,
    by_directory=True,
)


def _member_rows(asked: AskedOverview, size: int) -> Iterator[OverviewRow]:
    for page in keyset.pages(Membership.objects.select_related("user", "group", "group__owner"), size):
        for one in page:
            user, group = one.user, one.group
            owner = group.owner.name if group.owner else "the portal"
            cells = (user.username, user.get_full_name(), user.department, group.name, owner)
            yield OverviewRow(cells, person_url(user))


MEMBERSHIPS = Overview(
    name="memberships",
    title="Who is in which group",
    about="Every person who is directly in a group.",
    icon="group",
    permissions=("provisioning.view_user", "provisioning.view_group", "provisioning.view_membership"),
    head=("User name", "Name", "Department", "Group", "Group of"),
    rows=_member_rows,
    picture=lambda asked: None,
)
