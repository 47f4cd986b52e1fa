"""The way from the page of something that is set up to its history."""

from django import template

from provisioning.admin.configuration.things import THINGS, address_of

register = template.Library()


@register.simple_tag(takes_context=True)
def kept_history(context: template.Context) -> str:
    """Return the address of the history of what the page is about, "" where there is none or it is not to be seen."""
    request = context.get("request")
    match = request.resolver_match if request is not None else None
    page = match.url_name or "" if match is not None and match.app_name == "admin" else ""
    thing = next((one for one in THINGS if one.is_about(page)), None)
    if request is None or match is None or thing is None or not thing.may_see(request.user):
        return ""
    number = str(next(iter(match.kwargs.values()), ""))
    if thing.by != "pk":
        number = getattr(context.get("original"), thing.by, "")
    return address_of(f"{thing.begins}{number}")
