"""The admin of people, of directories and of imports; each package's ``admin`` registers its own pages."""

import provisioning.admin.attributes.admin
import provisioning.admin.blueprints
import provisioning.admin.configuration.admin
import provisioning.admin.contracts.admin
import provisioning.admin.contracts.records
import provisioning.admin.directories.admin
import provisioning.admin.events.admin
import provisioning.admin.gateways.admin
import provisioning.admin.groups.admin
import provisioning.admin.guard
import provisioning.admin.imports.admin
import provisioning.admin.look_first
import provisioning.admin.notices
import provisioning.admin.operations.admin
import provisioning.admin.receipts.admin
import provisioning.admin.reconciliation.admin
import provisioning.admin.recycle.admin
import provisioning.admin.requests.products
import provisioning.admin.requests.requests
import provisioning.admin.rules.admin
import provisioning.admin.scheduled.admin
import provisioning.admin.tokens.admin
import provisioning.admin.users.admin  # noqa: F401
