"""What sources say of a person is no account: open receipts do not wait for it any more."""

from typing import Any

from django.db import migrations
from django.db.models import Exists, OuterRef, Q


def take_records_out(apps: Any, editor: Any) -> None:
    """Take them out of open receipts, and the receipts away that were about nothing else."""
    Directory, AttributeMapping, QueryTemplate = (
        apps.get_model("directories", name) for name in ("Directory", "AttributeMapping", "QueryTemplate")
    )
    Receipt, ReceiptAccount = (apps.get_model("receipts", name) for name in ("Receipt", "ReceiptAccount"))
    theirs = {"directory": OuterRef("pk")}
    of_contracts = ("contract", "custom_contract")
    tells = AttributeMapping.objects.filter(**theirs, kind__in=of_contracts).exclude(portal_attribute="")
    writes = ("create", "update", "delete", "disable", "enable", "set_password")
    could_write = QueryTemplate.objects.filter(**theirs, operation__in=writes)
    switches = ("create_users", "update_users", "deactivate_users", "delete_users", "set_passwords")
    only_read = Q(**{f"provisioning__{switch}": False for switch in switches})
    databases = ("postgresql", "mysql", "mariadb", "sqlite", "mssql", "oracle")
    only_tells = Q(Exists(tells), ~Exists(could_write), kind__in=databases)
    kinds = ("files", "http_json", "push", "script")
    sources = Directory.objects.filter(Q(kind__in=kinds) | (only_tells & only_read))
    records = ReceiptAccount.objects.filter(receipt__status="open", directory_id__in=sources.values("pk"))
    concerned = list(records.values_list("receipt", flat=True).distinct())
    records.delete()
    others = ReceiptAccount.objects.filter(receipt=OuterRef("pk"))
    Receipt.objects.filter(~Exists(others), pk__in=concerned, status="open").delete()


class Migration(migrations.Migration):
    """Rows only."""

    dependencies = [("receipts", "0004_manager"), ("directories", "0017_push_tokens_and_changed_people")]

    operations = [migrations.RunPython(take_records_out, migrations.RunPython.noop)]
