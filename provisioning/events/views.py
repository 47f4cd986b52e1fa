"""The one public page of events: the keys that security event tokens are signed by."""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from provisioning.events import keys

SECONDS = 600  # for which receivers may keep the list; a new key is in it for an hour before it signs


@require_safe
def event_keys(request: HttpRequest) -> JsonResponse:
    """Return the public keys (RFC 7517 section 5) to whoever asks."""
    answer = JsonResponse(keys.published(), content_type="application/jwk-set+json")
    answer["Cache-Control"] = f"public, max-age={SECONDS}"
    return answer
