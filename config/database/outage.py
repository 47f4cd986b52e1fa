"""How it shows that the portal's own database is away or has no room: what was asked may succeed a little later."""

from django.db import InterfaceError, OperationalError

ERRORS = (OperationalError, InterfaceError)
RETRY_AFTER = 30  # seconds
WORDS = "The portal's database does not answer now. Try again in a minute."
