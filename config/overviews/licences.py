"""Accounts of each application against the licences that were bought for it."""

from collections.abc import Iterator

from django.urls import reverse

from config.models import BoughtLicences
from config.overviews import counting
from config.overviews.base import AskedOverview, Overview, OverviewRow, chosen
from provisioning.models.outbox import AccountState
from reports import charts
from reports.charts import Picture, Series


def _rows(asked: AskedOverview, size: int) -> Iterator[OverviewRow]:
    counted = counting.accounts.read()
    bought = {one.directory_id: one for one in BoughtLicences.objects.all()}
    for directory in chosen(asked):
        states, mine = counted[directory.pk], bought.get(directory.pk)
        used, number = states[AccountState.ACTIVE], mine.number if mine else None
        cells = (
            directory.name,
            used,
            states[AccountState.DISABLED],
            number,
            None if number is None else number - used,
            mine.price if mine else "",
            mine.monthly if mine else "",
            mine.unused(used) if mine else "",
        )
        yield OverviewRow(cells, reverse("overview_licences_edit", args=[directory.pk]))


def _picture(asked: AskedOverview) -> Picture | None:
    """Draw the applications with licences: used, free, and used beyond them."""
    counted = counting.accounts.read()
    shown = []
    for one in BoughtLicences.objects.filter(number__isnull=False).select_related("directory"):
        used = counted[one.directory_id][AccountState.ACTIVE]
        shown.append((one.directory.name, used, one.number or 0))
    shown.sort(key=lambda each: each[1] - each[2], reverse=True)
    if not shown[:15]:
        return None
    shown = shown[:15]
    series = [
        Series("Used", [min(used, number) for _, used, number in shown], charts.BLUE),
        Series("Free", [max(number - used, 0) for _, used, number in shown], charts.GREY),
        Series("More than bought", [max(used - number, 0) for _, used, number in shown], charts.RED),
    ]
    words = "Licences by application: " + "; ".join(
        f"{name} {used:,} of {number:,} used" for name, used, number in shown
    )
    return charts.bars([name for name, *_ in shown], series, words, height=60 + 26 * len(shown), lying=True)


LICENCES = Overview(
    name="licences",
    title="Licences by application",
    about="Active accounts of each application against the licences bought for it, and what the free ones cost.",
    icon="sell",
    permissions=("directories.view_directory", "provisioning.view_account"),
    head=(
        "Application",
        "Active accounts",
        "Disabled accounts",
        "Bought",
        "Free",
        "Price a month",
        "Cost a month",
        "Unused a month",
    ),
    rows=_rows,
    picture=_picture,
    note="A licence is used by each active account. Accounts are counted every five minutes.",
    numbers=frozenset({"Active accounts", "Disabled accounts", "Bought", "Free"}),
)
