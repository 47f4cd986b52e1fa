from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("directories", "0016_required_attributes")]

    operations = [
        migrations.AddField(model_name="pushtoken", name="expires_at", field=models.DateTimeField(null=True)),
        migrations.AddField(model_name="pushtoken", name="withdrawn_at", field=models.DateTimeField(null=True)),
        migrations.AlterField(
            model_name="querytemplate",
            name="operation",
            field=models.CharField(
                choices=[
                    ("import", "Import attributes"),
                    ("check", "Check user"),
                    ("create", "Create user"),
                    ("update", "Update user"),
                    ("delete", "Delete user"),
                    ("disable", "Disable user"),
                    ("enable", "Enable user"),
                    ("set_password", "Set password"),
                    ("import_groups", "Import groups"),
                    ("import_members", "Import memberships"),
                    ("create_group", "Create group"),
                    ("update_group", "Rename group"),
                    ("delete_group", "Delete group"),
                    ("add_member", "Add member"),
                    ("remove_member", "Remove member"),
                    ("contracts", "Contracts"),
                    ("departments", "Departments"),
                    ("titles", "Titles"),
                    ("changes", "Changed people"),
                ],
                max_length=16,
            ),
        ),
    ]
