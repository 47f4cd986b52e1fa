"""How many accounts each directory has by state: counted over an index, and kept, because there may be millions."""

from collections import Counter, defaultdict

from django.db.models import Count

from config.kept import KeptAnswer
from provisioning.models import Account
from provisioning.models.outbox import AccountState

KEPT_SECONDS = 300.0


def _count() -> dict[int, Counter[str]]:
    found: dict[int, Counter[str]] = defaultdict(Counter)
    # Not their ids, which are not in the index: for those the database reads every account.
    counted = Account.objects.order_by().values_list("directory", "state").annotate(number=Count("*"))
    for directory, state, number in counted.exclude(state=AccountState.ABSENT):
        found[directory][state] = number
    return found


accounts = KeptAnswer(_count, KEPT_SECONDS)
