"""What sources say of a person is no account: open receipts do not wait for it any more."""

from typing import Any

from django.db import migrations
from django.db.models import Exists, OuterRef, Q


def take_records_out(apps: Any, editor: Any) -> None:
    """Take them out of open receipts, and the receipts away that were about nothing else."""
    Directory = apps.get_model("directories", "Directory")
    AttributeMapping = apps.get_model("directories", "AttributeMapping")
    Receipt, ReceiptAccount = (apps.get_model("receipts", name) for name in ("Receipt", "ReceiptAccount"))
    of_sources = ("contract", "custom_contract", "record")
    tells = AttributeMapping.objects.filter(directory=OuterRef("pk"), kind__in=of_sources).exclude(portal_attribute="")
    writes = ("create_users", "update_users", "deactivate_users", "delete_users")
    sources = Directory.objects.filter(
        Q(kind__in=("files", "http_json", "push", "script")) | Exists(tells),
        **{f"provisioning__{switch}": False for switch in writes},
    )
    records = ReceiptAccount.objects.filter(receipt__status="open", directory_id__in=sources.values("pk"))
    concerned = list(records.values_list("receipt", flat=True).distinct())
    records.delete()
    others = ReceiptAccount.objects.filter(receipt=OuterRef("pk"))
    Receipt.objects.filter(~Exists(others), pk__in=concerned, status="open").delete()


class Migration(migrations.Migration):
    """Rows only."""

    dependencies = [("receipts", "0004_manager"), ("directories", "0017_push_tokens_and_changed_people")]

    operations = [migrations.RunPython(take_records_out, migrations.RunPython.noop)]
