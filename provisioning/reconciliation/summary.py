"""Pure: a run in one sentence."""

from provisioning.reconciliation.models import FindingKind, ReconcileRun

WORDS: dict[FindingKind, tuple[str, str]] = {
    FindingKind.ENABLED: ("enabled by mistake", "enabled by mistake"),
    FindingKind.ORPHAN: ("orphan", "orphans"),
    FindingKind.MISSING: ("missing", "missing"),
    FindingKind.DISABLED: ("disabled by mistake", "disabled by mistake"),
    FindingKind.DIFFERENT: ("different", "different"),
    FindingKind.SEVERAL: ("with several matches", "with several matches"),
    FindingKind.UNREADABLE: ("unreadable", "unreadable"),
    FindingKind.LESS: ("member missing", "members missing"),
    FindingKind.MORE: ("member too many", "members too many"),
}


def sentence(run: ReconcileRun) -> str:
    """Return for example "4,812 of 5,000 accounts in step; 3 enabled by mistake, 1 orphan."."""
    parts = [f"{number:,} {WORDS[kind][number != 1]}" for kind in WORDS if (number := run.counts.get(kind.value, 0))]
    rest = [f"{run.under_way:,} on their way"] if run.under_way else []
    rest += [f"{run.passed_over:,} of kinds that are ignored"] if run.passed_over else []
    found = ", ".join(parts + rest)
    accounts = "account" if run.seen == 1 else "accounts"
    return f"{run.in_step:,} of {run.seen:,} {accounts} in step{f'; {found}' if found else ''}."
