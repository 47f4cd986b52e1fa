"""Time that passes, as in the tests of the sign-in."""

from tests.config.signin.conftest import later

__all__ = ["later"]
