"""Whom a deleted user was merged into, and by which run."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Two columns and an index of the few rows that have them."""

    dependencies = [
        ('recycle', '0002_named_like_its_page'),
    ]

    operations = [
        migrations.AddField(
            model_name='deleteduser',
            name='merged_into',
            field=models.BigIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='deleteduser',
            name='merged_run',
            field=models.BigIntegerField(blank=True, null=True),
        ),
        migrations.AddIndex(
            model_name='deleteduser',
            index=models.Index(condition=models.Q(('merged_into__isnull', False)), fields=['id'], name='deleted_merged'),
        ),
    ]
