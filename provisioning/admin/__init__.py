"""The admin of the roll, of directories and of imports; each module registers its own pages."""

from provisioning.admin import attributes as attributes
from provisioning.admin import directories as directories
from provisioning.admin import groups as groups
from provisioning.admin import imports as imports
from provisioning.admin import operations as operations
from provisioning.admin import users as users
