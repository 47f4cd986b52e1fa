"""What real clients send, in the RFC's words.

Each module is one client or one peculiarity and quotes who sends it; the engine behind knows the RFC only. What stands
here is done for every client, whatever it calls itself: each rewriting is unambiguous, and products copy each other's
ways. Where a request may mean two things, the one that takes nothing away is chosen, or it is refused.
"""

from scim.dialects.bodies import resource
from scim.dialects.operations import operations

__all__ = ["operations", "resource"]
