"""The demo's self-service: CRM, a third SQLite file whose accounts people ask for, and two products."""

import sqlite3
from contextlib import closing
from pathlib import Path

from django.utils import timezone

from directories.connectors.sql import language_of
from directories.examples import ExampleTable, statements
from directories.models import (
    AccountsFor,
    Directory,
    OnLeave,
    ProvisioningSettings,
    TemplateOperation,
)
from provisioning import services
from provisioning.contracts.models import Department
from provisioning.demo_directories import OF_NAMES, describe
from provisioning.models import Group
from provisioning.requests.models import ApproverKind, Product
from provisioning.requests.products import ProductDraft, StepDraft, save
from provisioning.rules.services import RuleDraft

NAME = "CRM"
ACTOR = "The demo"
TABLE = """
CREATE TABLE USERS (
    USERNAME VARCHAR(255) PRIMARY KEY,
    FIRSTNAME VARCHAR(255),
    LASTNAME VARCHAR(255),
    EMAIL_ADDRESS VARCHAR(255)
)
"""
OPERATIONS = (TemplateOperation.CHECK, TemplateOperation.CREATE, TemplateOperation.UPDATE, TemplateOperation.DELETE)
STOCK = "Pharmacy stock"
TECHNOLOGY = "300"  # the department that looks after CRM


def load(database: Path) -> None:
    """Make CRM in the file ``database``, unless a directory of that name is there."""
    if Directory.objects.filter(name__iexact=NAME).exists():
        return
    if not database.exists():
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute(TABLE)
    _directory(database)


def add_products() -> None:
    """Make both products, unless there is one."""
    directory = Directory.objects.filter(name__iexact=NAME).first()
    if Product.objects.exists() or directory is None:
        return
    group = Group.objects.filter(name=STOCK).first()
    if group is None:
        group = Group(name=STOCK, description="Orders what the pharmacy has.")
        services.save_group(group, ACTOR)
    technology = Department.objects.filter(external_id=TECHNOLOGY).values_list("pk", flat=True).first()
    save(
        None,
        ProductDraft(
            rule=RuleDraft("CRM", "Applications", position=50, directories=[directory.pk], by_request=True),
            text="An account in CRM, where patients’ families and their questions are kept.",
            risk="It shows names and telephone numbers of families.",
            department=technology,
            fields=[{"label": "For which ward?", "kind": "text", "required": True}],
            days=365,
            most=20,
            steps=[StepDraft(ApproverKind.MANAGER), StepDraft(ApproverKind.PRODUCT_HEAD)],
        ),
        ACTOR,
    )
    save(
        None,
        ProductDraft(
            rule=RuleDraft(name=STOCK, category="Groups", groups=[group.pk], by_request=True, position=51),
            text="Order medicines and material from the pharmacy.",
            days=30,
            steps=[StepDraft(ApproverKind.MANAGER)],
        ),
        ACTOR,
    )


def _directory(database: Path) -> Directory:
    directory = Directory.objects.create(
        name=NAME,
        kind="sqlite",
        description="The demo: an application whose accounts people ask for, under /my/.",
        settings={"database": str(database), "user_table": "USERS", "username_column": "USERNAME"},
        answered_at=timezone.now(),
    )
    examples = statements(ExampleTable(language_of("sqlite"), password="", columns=list(OF_NAMES)))
    describe(directory, {operation: examples[operation] for operation in OPERATIONS}, OF_NAMES)
    ProvisioningSettings.objects.create(
        directory=directory,
        accounts_for=AccountsFor.RULES,
        create_users=True,
        update_users=True,
        deactivate_users=True,
        delete_users=True,
        on_deactivate=OnLeave.DELETE,
        on_delete=OnLeave.DELETE,
    )
    return directory
