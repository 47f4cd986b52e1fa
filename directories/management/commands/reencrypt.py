"""``manage.py reencrypt``: bring every stored secret under the first of ``ENCRYPTION_KEYS``."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import models

from directories.encryption import encrypted_fields, rotate, rotated, tokens


class Command(BaseCommand):
    """Re-encrypt in batches. A secret that is under the first key already is left alone, so it can be run again."""

    help = "Re-encrypt every stored secret with the first key of ENCRYPTION_KEYS."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--check", action="store_true", help="Only count; exit 1 when something is left to do.")
        parser.add_argument("--batch-size", type=int, default=500, help="Rows read at a time (500).")

    def handle(self, *args: Any, check: bool, batch_size: int, **options: Any) -> None:
        """Go through every field of every model, saying how many were found and done."""
        waiting = lost = 0
        for model, name in encrypted_fields():
            count, unreadable = _rotate_all(model, name, batch_size, write=not check)
            waiting, lost = waiting + count, lost + len(unreadable)
            verb = "to re-encrypt" if check else "re-encrypted"
            self.stdout.write(f"{model._meta.verbose_name_plural}, {name}: {count} {verb}")
            for key in unreadable:
                self.stderr.write(f"{model._meta.verbose_name} {key}, {name}: no configured key opens it")
        if not check:
            rotated.send(self)
        if lost:
            raise CommandError(
                f"{lost} secrets could not be decrypted. Put the key that they were written with back into "
                "ENCRYPTION_KEYS and run this again, or enter those secrets anew."
            )
        if check and waiting:
            raise CommandError("Secrets under older keys are left. Run: manage.py reencrypt")
        self.stdout.write(self.style.SUCCESS("Every secret is encrypted with the first key."))


def _rotate_all(model: type[models.Model], name: str, batch_size: int, *, write: bool) -> tuple[int, list[Any]]:
    """Return how many values were under another key, and the primary keys of those that no key opens."""
    count, unreadable, after = 0, [], None
    rows = tokens(model, name)
    while batch := list((rows if after is None else rows.filter(pk__gt=after)).values_list("pk", "token")[:batch_size]):
        for key, token in batch:
            try:
                fresh = rotate(token)
            except ImproperlyConfigured:
                unreadable.append(key)
                continue
            if fresh is None:
                continue
            same = rows.filter(pk=key, token=token)
            count += same.update(**{name: models.Value(fresh, models.TextField())}) if write else 1
        after = batch[-1][0]
    return count, unreadable
