"""Employee numbers are looked for over SCIM without regard to case."""

from django.db import migrations, models
from django.db.models.functions import Upper


class Migration(migrations.Migration):
    """One index: at a million people a look-up read the whole roll."""

    dependencies = [("provisioning", "0025_lanes_of_leavers")]

    operations = [
        migrations.AddIndex("user", models.Index(Upper("employee_number"), name="user_by_number_without_case")),
    ]
