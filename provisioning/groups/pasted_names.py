"""Names of people that somebody pasted: who is meant."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from provisioning.models import User
from provisioning.models.people import fold

BATCH = 1000
MOST_NAMES = 10_000


@dataclass
class PastedNames:
    """What a pasted text says: the users' ids, and the names that nobody in the portal has."""

    ids: list[int] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def find_pasted(text: str) -> PastedNames:
    """Read user names or e-mail addresses, one a line or separated by commas or semicolons."""
    names = {fold(name): name.strip() for name in re.split(r"[\n,;\t]+", text) if name.strip()}
    wanted, found = list(names), PastedNames()
    for start in range(0, len(wanted), BATCH):
        page = wanted[start : start + BATCH]
        by_name = dict(User.objects.filter(username_key__in=page).order_by().values_list("username_key", "pk"))
        rest = [name for name in page if name not in by_name]
        mails = User.objects.filter(email_key__in=rest).order_by().values_list("email_key", "pk") if rest else []
        by_mail = _unique(mails)
        found.ids += [*by_name.values(), *by_mail.values()]
        found.unknown += [names[name] for name in rest if name not in by_mail]
    return found


def _unique(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Return the pairs whose first is there once: an address that two people share names neither."""
    seen: dict[str, list[int]] = {}
    for key, pk in pairs:
        seen.setdefault(key, []).append(pk)
    return {key: found[0] for key, found in seen.items() if len(found) == 1}
