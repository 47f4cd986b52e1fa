"""Every overview there is, by name."""

from config.overviews.access import ACCOUNTS, MEMBERSHIPS
from config.overviews.licences import LICENCES
from config.overviews.orphans import ORPHANS
from config.overviews.people import IDLE, TURNOVER
from config.overviews.service import SERVICE

OVERVIEWS = {one.name: one for one in (ACCOUNTS, MEMBERSHIPS, TURNOVER, IDLE, ORPHANS, LICENCES, SERVICE)}
