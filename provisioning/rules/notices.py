"""What the portal's people are told of rules: those that are published and cannot be used any more."""

from collections.abc import Iterator

from provisioning.notices.causes import DANGER, Cause, FoundSubject
from provisioning.rules.book import published
from provisioning.rules.models import BusinessRule

NAME = "rule_stopped"
MOST = 200


def _stopped() -> Iterator[FoundSubject]:
    if not BusinessRule.objects.filter(published=True).exists():
        return
    book = published()
    for pk, wrong in list(book.stopped.items())[:MOST]:
        title = f"The rule {book.rules[pk].name} cannot be used any more"
        text = f"{' '.join(wrong)} What it gave stays, and it gives no more. Correct it on its page."
        yield FoundSubject(f"rule {pk}", title, text, f"/rules/businessrule/{pk}/change/")


STOPPED = Cause(NAME, "Rules that cannot be used", DANGER, "rules.view_businessrule", _stopped)
