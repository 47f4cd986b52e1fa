"""Does the service keep to the standard? The checks of scim2-tester, run against an application's own service."""

from collections.abc import Sequence
from dataclasses import dataclass

from scim2_tester import CheckResult, Status, check_server

from scim.models import Client
from scim.upkeep.in_process_client import asked

GOOD = {Status.SUCCESS, Status.COMPLIANT, Status.ACCEPTABLE}
BAD = {Status.ERROR, Status.CRITICAL}


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what was looked at, how it ended, and why."""

    title: str
    about: str
    status: Status
    reason: str

    @property
    def good(self) -> bool:
        """Whether it is as the standard wants it."""
        return self.status in GOOD

    @property
    def bad(self) -> bool:
        """Whether the standard forbids it."""
        return self.status in BAD


@dataclass(frozen=True, slots=True)
class Checked:
    """Every check, and how many ended how."""

    checks: Sequence[Check]

    @property
    def good(self) -> int:
        """How many are as the standard wants them."""
        return sum(check.good for check in self.checks)

    @property
    def bad(self) -> list[Check]:
        """Those that the standard forbids."""
        return [check for check in self.checks if check.bad]

    @property
    def rest(self) -> int:
        """How many were skipped, or deviate from a mere recommendation."""
        return len(self.checks) - self.good - len(self.bad)


def run(client: Client, base_url: str, resource_types: list[str] | None = None) -> Checked:
    """Run every check, or those of some types, as ``client``; what the checks make is taken back at the end."""
    with asked(client, base_url) as service:
        return Checked([_check(result) for result in check_server(service, resource_types=resource_types)])


def _check(result: CheckResult) -> Check:
    title = (result.title or "").strip("_").replace("_", " ")
    about = " ".join((result.description or "").split("\n\n")[0].split())
    return Check(
        f"{result.resource_type}: {title}" if result.resource_type else title, about, result.status, result.reason or ""
    )
