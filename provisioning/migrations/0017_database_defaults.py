"""The database fills in the columns that are new: a web process of the version before still writes rows for a while."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Defaults that stay in the database."""

    dependencies = [
        ('provisioning', '0016_unseen'),
    ]

    operations = [
        migrations.AlterField(
            model_name='account',
            name='seen_state',
            field=models.CharField(blank=True, db_default='', default='', max_length=24),
        ),
        migrations.AlterField(
            model_name='account',
            name='unseen',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AlterField(
            model_name='importrun',
            name='follows',
            field=models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list),
        ),
        migrations.AlterField(
            model_name='importrun',
            name='left_alone',
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AlterField(
            model_name='importrun',
            name='switched_on',
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AlterField(
            model_name='importrun',
            name='unmatched_in',
            field=models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list),
        ),
        migrations.AlterField(
            model_name='importrun',
            name='unmatched_members',
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
    ]
