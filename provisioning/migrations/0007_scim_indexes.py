import django.db.models.functions.text
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        ('directories', '0002_groups_and_passwords'),
        ('provisioning', '0006_set_passwords'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='group',
            index=models.Index(fields=['updated_at'], name='group_by_updated'),
        ),
        migrations.AddIndex(
            model_name='user',
            index=models.Index(condition=models.Q(('is_staff', False), ('is_superuser', False)), fields=['id'], name='user_not_staff'),
        ),
        migrations.AddIndex(
            model_name='user',
            index=models.Index(condition=models.Q(('is_staff', True), ('is_superuser', True), _connector='OR'), fields=['id'], name='user_privileged'),
        ),
        migrations.AddIndex(
            model_name='user',
            index=models.Index(fields=['updated_at'], name='user_by_updated'),
        ),
        migrations.AddIndex(
            model_name='user',
            index=models.Index(django.db.models.functions.text.Upper('display_name'), name='user_by_display_name'),
        ),
    ]
