"""What people and groups are found by: a text of each, beside the tables that are written in bulk.

A worker writes the texts after the rows they tell of (``provisioning.search.index``), so that an import or a push pays
nothing for them. One trigram index answers any part of any name, where the tables themselves would need an index a
column.
"""

from django.db import models

from provisioning.models import Group, User


class SearchText(models.Model):
    """The words of one row, as ``provisioning.search.text`` writes them.

    ``seen`` is the row's ``updated_at`` when it was read, and ``version`` that of the index: another one of either
    means that the text is outdated. There is no foreign key: whoever deletes the row need not know of the text.
    """

    text = models.TextField()
    seen = models.DateTimeField()
    version = models.IntegerField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.text


class UserText(SearchText):
    """What one user is found by."""

    user = models.OneToOneField(
        User, models.DO_NOTHING, primary_key=True, db_constraint=False, related_name="search_text"
    )

    class Meta:
        default_permissions = ()


class GroupText(SearchText):
    """What one group is found by."""

    group = models.OneToOneField(
        Group, models.DO_NOTHING, primary_key=True, db_constraint=False, related_name="search_text"
    )

    class Meta:
        default_permissions = ()


class SearchIndex(models.Model):
    """How far the texts of one kind of row are: one row a kind.

    Whatever changed before ``since`` is in them, and at ``whole_at`` everything was compared. ``attributes`` are the
    custom profile attributes that are searched; others make another ``version``. ``trigrams``: PostgreSQL has the
    index that answers any part of a word. ``busy_until``: a worker is at it.
    """

    kind = models.CharField(max_length=16, primary_key=True)
    since = models.DateTimeField(null=True)
    whole_at = models.DateTimeField(null=True)
    busy_until = models.DateTimeField(null=True)
    version = models.IntegerField(default=1)
    attributes = models.JSONField(default=list)
    trigrams = models.BooleanField(default=False)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.kind
