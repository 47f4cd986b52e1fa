"""Rules and products are known in the evidence by their number: a new name begins no new history."""

from django.db import migrations


def renamed(apps, _):
    """Give the known states their new subject; rows of the chain keep theirs, which is noted as the former one."""
    known, rules = apps.get_model("reports", "KnownState"), apps.get_model("rules", "BusinessRule")
    for pk, name, by_request in rules.objects.values_list("pk", "name", "by_request"):
        old, new = ("product", "self-service product") if by_request else ("rule", "business rule")
        former = f"{old} {name}"
        known.objects.filter(subject=former).update(subject=f"{new} {pk}", former=former)


class Migration(migrations.Migration):
    """Another subject for what is known."""

    dependencies = [("requests", "0001_requests"), ("reports", "0012_former_subjects")]

    operations = [migrations.RunPython(renamed, migrations.RunPython.noop)]
