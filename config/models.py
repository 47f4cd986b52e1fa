"""What the portal's own settings are about, under names of their own: roles, and the staff who hold them."""

from django.contrib.auth.models import Group

from provisioning.models import User


class Role(Group):
    """A set of rights in this portal; see ``provisioning.roles`` for those that every portal has.

    Django calls them groups, and here groups are groups of people.
    """

    class Meta:
        proxy = True
        ordering = ["name"]


class Staff(User):
    """Somebody who may sign in to the portal. Saved as the ``User`` that they are."""

    class Meta:
        proxy = True
        default_permissions = ()  # whoever may see roles sees who holds them, and superusers add staff
        verbose_name = "staff member"
        verbose_name_plural = "staff"
        ordering = ["username_key"]
