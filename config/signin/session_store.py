"""Sessions in the database; a session that goes on under another key stays in the list of its person's sessions.

Django gives a session another key when a password is set. ``sessions.end`` finds sessions by that list alone.
"""

from allauth.usersessions.models import UserSession
from django.contrib.sessions.backends import db


class SessionStore(db.SessionStore):
    """``SESSION_ENGINE``."""

    def cycle_key(self) -> None:
        """Go on under another key."""
        before = self.session_key
        super().cycle_key()
        if before:
            UserSession.objects.filter(session_key=before).update(session_key=self.session_key)
