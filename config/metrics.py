"""``/metrics``: the portal's numbers for Prometheus (text format 0.0.4), behind a token of their own.

Everything is read from the database when it is asked for, so that every web process on every machine says the same, and
what the programs beside them do counts as well. What has happened is therefore told as a number of the last minute, not
as a counter. No number has the name of a person in it.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator

from django.conf import settings
from django.db.models import Avg, Count, F, Max
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from config.attention import approvals
from config.health import readiness
from config.kept import KeptAnswer
from directories.models import Directory
from provisioning import heartbeat
from provisioning.models import ImportRun
from provisioning.models.accounts import LEFT_OPEN, Account
from provisioning.models.imports import RunStatus
from provisioning.models.outbox import Lane
from provisioning.notices.models import Notice
from provisioning.outbound.kinds import KINDS
from provisioning.receipts.models import Receipt, ReceiptStatus
from reports.models import Event
from scim.models import RequestLog

KEPT_SECONDS = 10.0
WINDOW = dt.timedelta(minutes=1)
RUNS_OF = dt.timedelta(days=31)  # how far back the last import of a directory is looked for
NO_TOKEN = "Set METRICS_TOKEN, and let Prometheus send it as a bearer token (authorization: credentials).\n"
WRONG = "Send the value of METRICS_TOKEN as a bearer token.\n"


def metrics(request: HttpRequest) -> HttpResponse:
    """Answer with all numbers: 404 while there is no ``METRICS_TOKEN``, 401 to whoever does not send it (RFC 6750)."""
    if not settings.METRICS_TOKEN:
        return HttpResponse(NO_TOKEN, status=404, content_type="text/plain")
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not constant_time_compare(token.strip(), settings.METRICS_TOKEN):
        return HttpResponse(
            WRONG, status=401, content_type="text/plain", headers={"WWW-Authenticate": 'Bearer realm="metrics"'}
        )
    return HttpResponse(kept.read(), content_type=CONTENT_TYPE_LATEST)


def parts() -> Iterator[Metric]:
    """What ``/readyz`` says."""
    family = GaugeMetricFamily("rollcall_part_ready", "1 where a part that the portal needs works.", labels=["part"])
    for name, part in readiness.read().items():
        family.add_metric([name], float(part["status"] != "failing"))
    yield family
    age = heartbeat.age()
    if age is not None:
        yield GaugeMetricFamily("rollcall_worker_last_seen_seconds", "Age of the last sweep of a worker.", value=age)


def queue() -> Iterator[Metric]:
    """What waits to be delivered."""
    waiting = GaugeMetricFamily("rollcall_changes_waiting", "Changes that wait to be sent.", labels=["kind", "lane"])
    parked = GaugeMetricFamily("rollcall_changes_parked", "Changes that wait for a person.", labels=["kind", "cause"])
    for kind in KINDS:
        rows = kind.change._default_manager.order_by()
        for lane, number in rows.filter(parked=None).values_list("lane").annotate(Count("pk")):
            waiting.add_metric([kind.name, Lane(lane).name.lower()], number)
        for cause, number in rows.exclude(parked=None).values_list("parked_code").annotate(Count("pk")):
            parked.add_metric([kind.name, cause or "refused"], number)
    yield from (waiting, parked)
    due = readiness.read().get("due_changes", {}).get("oldest_seconds")
    if due is not None:
        yield GaugeMetricFamily("rollcall_oldest_due_seconds", "Age of the oldest change to be sent.", value=due)


def lines() -> Iterator[Metric]:
    """What was done in the last minute: the lines of the report."""
    labels = ["directory", "direction", "operation", "result"]
    family = GaugeMetricFamily("rollcall_report_lines_last_minute", "Lines of the report.", labels=labels)
    recent = Event.objects.filter(at__gt=timezone.now() - WINDOW).order_by()
    for *values, number in recent.values_list("application", "direction", "operation", "result").annotate(Count("pk")):
        family.add_metric(values, number)
    yield family


def directories() -> Iterator[Metric]:
    """Whether directories can be reached, and what holds them up."""
    reachable = GaugeMetricFamily("rollcall_directory_reachable", "0 where it cannot be reached.", labels=["directory"])
    for name, since in Directory.objects.filter(enabled=True).order_by().values_list("name", "unreachable_since"):
        reachable.add_metric([name], float(since is None))
    yield reachable


def imports() -> Iterator[Metric]:
    """When each directory was last imported and how fast, and the imports that wait for an approval."""
    ended = ImportRun.objects.filter(
        status=RunStatus.FINISHED, preview=False, directory__isnull=False, created_at__gt=timezone.now() - RUNS_OF
    )
    newest = ended.order_by().values("directory").annotate(newest=Max("pk")).values("newest")
    finished = GaugeMetricFamily(
        "rollcall_import_finished_timestamp_seconds", "When the last import ended well.", labels=["directory"]
    )
    rate = GaugeMetricFamily("rollcall_import_people_per_second", "How fast that was.", labels=["directory"])
    errors = GaugeMetricFamily("rollcall_import_errors", "Its rows with errors.", labels=["directory"])
    for run in (
        ImportRun.objects.filter(pk__in=newest)
        .select_related("directory")
        .only("directory__name", "started_at", "finished_at", "seen", "errors")
    ):
        if not (run.directory and run.started_at and run.finished_at):
            continue
        name, seconds = [run.directory.name], (run.finished_at - run.started_at).total_seconds()
        finished.add_metric(name, run.finished_at.timestamp())
        rate.add_metric(name, run.seen / seconds if seconds > 0 else 0.0)
        errors.add_metric(name, run.errors)
    yield from (finished, rate, errors)
    waiting = approvals().count()
    yield GaugeMetricFamily("rollcall_imports_waiting_for_approval", "Runs that wait for an approval.", value=waiting)


def people() -> Iterator[Metric]:
    """Leavers who are not proven gone, and what somebody must know of."""
    open_ = Receipt.objects.filter(status=ReceiptStatus.OPEN).count()
    yield GaugeMetricFamily("rollcall_leavers_not_proven", "Leavers whose accounts are not proven closed.", value=open_)
    left = Account.objects.filter(LEFT_OPEN).count()
    yield GaugeMetricFamily("rollcall_leavers_accounts_open", "Leavers' accounts that can still be used.", value=left)
    notices = Notice.objects.filter(closed_at=None).count()
    yield GaugeMetricFamily("rollcall_notices_open", "Notices that are open.", value=notices)


def scim() -> Iterator[Metric]:
    """Requests of SCIM applications in the last minute, by the first digit of the answer's status."""
    labels = ["application", "status"]
    number = GaugeMetricFamily("rollcall_scim_requests_last_minute", "Requests.", labels=labels)
    mean = GaugeMetricFamily("rollcall_scim_seconds_mean", "How long they took on average.", labels=labels)
    longest = GaugeMetricFamily("rollcall_scim_seconds_longest", "How long the longest took.", labels=labels)
    recent = RequestLog.objects.filter(at__gt=timezone.now() - WINDOW).annotate(kind=F("status") / 100).order_by()
    for application, kind, *found in recent.values_list("client__name", "kind").annotate(
        Count("pk"), Avg("milliseconds"), Max("milliseconds")
    ):
        names = [application, f"{kind}xx"]
        number.add_metric(names, found[0])
        mean.add_metric(names, found[1] / 1000)
        longest.add_metric(names, found[2] / 1000)
    yield from (number, mean, longest)


GROUPS: tuple[Callable[[], Iterable[Metric]], ...] = (parts, queue, lines, directories, imports, people, scim)


class _Portal(Collector):
    def collect(self) -> Iterator[Metric]:
        """Give every family of numbers."""
        for group in GROUPS:
            yield from group()


_registry = CollectorRegistry(auto_describe=False)
_registry.register(_Portal())
kept = KeptAnswer(lambda: generate_latest(_registry), KEPT_SECONDS)
