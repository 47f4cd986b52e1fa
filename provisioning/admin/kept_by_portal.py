"""Lists that the portal keeps by itself: people look at them, and act by their buttons."""

from typing import Any

from django.http import HttpRequest


class KeptByPortal:
    """Mixed into an admin whose rows nobody adds or deletes by hand: they come and go with what they are about."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds one by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes one by hand."""
        return False


class ReadOnly(KeptByPortal):
    """Mixed into an admin whose rows nobody changes by hand either."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes one by hand."""
        return False
