"""The portal's roles under their own name: Django calls them groups, and here groups are groups of people."""

from django.contrib.auth.models import Group


class Role(Group):
    """A set of rights in this portal; see ``provisioning.roles`` for those that every portal has."""

    class Meta:
        proxy = True
        ordering = ["name"]
