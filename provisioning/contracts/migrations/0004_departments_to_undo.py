import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("directories", "0016_required_attributes"), ("contracts", "0003_refused_switches")]

    operations = [
        migrations.AddField(
            model_name="planneddepartment",
            name="source",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="directories.directory",
            ),
        ),
        migrations.AddField(
            model_name="planneddepartment",
            name="gone",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(model_name="planneddepartment", name="before", field=models.JSONField(null=True)),
        migrations.AddField(model_name="planneddepartment", name="applied_at", field=models.DateTimeField(null=True)),
    ]
