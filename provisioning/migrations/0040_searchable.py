"""Custom profile attributes that people are found by."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """One column."""

    dependencies = [("provisioning", "0039_early_accounts")]

    operations = [
        migrations.AddField(
            "attributedefinition",
            "searchable",
            models.BooleanField(db_default=False, default=False, help_text="People are found by it."),
        ),
    ]
