"""What every page says while directories are kept back."""

from typing import Any

from django import template

from provisioning.notices.glance import glance

register = template.Library()


@register.inclusion_tag("provisioning/look_first/banner.html", takes_context=True)
def look_first_banner(context: template.Context) -> dict[str, Any]:
    """Show the banner to people who are signed in."""
    request = context.get("request")
    if request is None or not request.user.is_staff:
        return {}
    found = glance(request)
    allowed = request.user.has_perm("restore.view_helddirectory")
    return {"number": found.held, "why": found.why, "allowed": allowed, "here": request.path.startswith("/restore/")}
