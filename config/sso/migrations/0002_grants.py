"""Say of the roles that a provider's groups gave where they come from; what is left is who became staff by them."""

from django.db import migrations, models


def forwards(apps, schema_editor):
    given, grants = apps.get_model("sso", "Given"), apps.get_model("provisioning", "Grant")
    for one in given.objects.exclude(role=None).select_related("provider").order_by("pk"):
        pair = {"user_id": one.user_id, "role_id": one.role_id}
        held = grants.objects.filter(**pair)
        if not held.exists():
            continue  # a person took it away since
        if not held.filter(source="").update(source=one.provider.slug):
            grants.objects.get_or_create(**pair, source=one.provider.slug, defaults={"given_at": None})
    given.objects.exclude(role=None).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("sso", "0001_identity_providers"),
        ("provisioning", "0043_grants"),
    ]

    operations = [
        migrations.RunPython(forwards, migrations.RunPython.noop),
        migrations.RemoveConstraint("given", "sso_given_once"),
        migrations.RemoveConstraint("given", "sso_given_staff_once"),
        migrations.RemoveField("given", "role"),
        migrations.AddConstraint(
            "given",
            models.UniqueConstraint(fields=["provider", "user"], name="sso_given_staff_once"),
        ),
    ]
