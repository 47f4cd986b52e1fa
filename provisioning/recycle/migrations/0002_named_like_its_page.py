"""The model is called what its page is called."""

from django.db import migrations


class Migration(migrations.Migration):
    """Words only."""

    dependencies = [("recycle", "0001_bin")]

    operations = [
        migrations.AlterModelOptions(
            "deleteduser",
            {"verbose_name": "deleted user", "verbose_name_plural": "recycle bin", "ordering": ["-deleted_at", "-pk"]},
        )
    ]
