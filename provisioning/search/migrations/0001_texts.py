"""What people and groups are found by. A worker fills the tables, and makes PostgreSQL's trigram index."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def text(model, name):
    """Return the table of the texts of one kind of row."""
    return migrations.CreateModel(
        name=name,
        fields=[
            ("text", models.TextField()),
            ("seen", models.DateTimeField()),
            ("version", models.IntegerField()),
            (
                model.split(".")[1].lower(),
                models.OneToOneField(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    primary_key=True,
                    related_name="search_text",
                    serialize=False,
                    to=model,
                ),
            ),
        ],
        options={"default_permissions": (), "abstract": False},
    )


class Migration(migrations.Migration):
    """Three tables."""

    initial = True

    dependencies = [("provisioning", "0040_searchable")]

    operations = [
        text(settings.AUTH_USER_MODEL, "UserText"),
        text("provisioning.Group", "GroupText"),
        migrations.CreateModel(
            name="SearchIndex",
            fields=[
                ("kind", models.CharField(max_length=16, primary_key=True, serialize=False)),
                ("since", models.DateTimeField(null=True)),
                ("whole_at", models.DateTimeField(null=True)),
                ("busy_until", models.DateTimeField(null=True)),
                ("version", models.IntegerField(default=1)),
                ("attributes", models.JSONField(default=list)),
                ("trigrams", models.BooleanField(default=False)),
            ],
            options={"default_permissions": ()},
        ),
    ]
