"""Django's signals of users; bulk paths send none and call ``services`` themselves."""

from typing import Any

from django.db.models.signals import post_save, pre_delete, pre_save
from django.dispatch import receiver

from provisioning import services
from provisioning.guard import administrators
from provisioning.identities import lifecycle, rights
from provisioning.models import User

# Saved by every sign-in and by a changed portal password; no directory gets to see them.
PRIVATE = frozenset({"last_login", "password", "updated_at"})


@receiver(pre_save, sender=User)
def user_changes(instance: User, raw: bool = False, **_: Any) -> None:
    """Keep the last administrator of the portal."""
    if not raw and instance.stops_administering:
        administrators.must_remain([instance.pk])


@receiver(post_save, sender=User)
def user_saved(
    instance: User, created: bool, raw: bool = False, update_fields: frozenset[str] | None = None, **_: Any
) -> None:
    """Enqueue the user's accounts for reconciliation, and keep a change of the user's rights in the portal."""
    if not raw and (update_fields is None or not PRIVATE.issuperset(update_fields)):
        why = "created" if created else "updated"
        services.provision(instance, why, instance.changed_by, cleared=instance.decided)
        rights.saved(instance, instance.changed_by)


@receiver(pre_delete, sender=User)
def user_leaves(instance: User, **_: Any) -> None:
    """Keep what the user's accounts need, before the user is gone."""
    if not lifecycle.already_enqueued():
        lifecycle.forget([instance], getattr(instance, "changed_by", ""))
