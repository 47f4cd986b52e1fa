"""What every page says while directories are kept back."""

from typing import Any

from django import template

from provisioning.restore.models import HeldDirectory

register = template.Library()


@register.inclusion_tag("provisioning/look_first/banner.html", takes_context=True)
def look_first_banner(context: template.Context) -> dict[str, Any]:
    """Show the banner to people who are signed in."""
    request = context.get("request")
    if request is None or not request.user.is_staff:
        return {}
    reasons = list(HeldDirectory.objects.order_by("pk").values_list("why", flat=True))
    allowed = request.user.has_perm("restore.view_helddirectory")
    return {"number": len(reasons), "why": reasons[0] if reasons else "", "allowed": allowed}
