"""What each known cause means and what to do about it: one table, by the code that parked changes carry."""

from dataclasses import dataclass

from django.urls import reverse

from directories.models import Directory


@dataclass(frozen=True, slots=True)
class Advice:
    """``means`` completes "so many changes: ..."; ``do`` says the next step, and ``tab`` of the directory's page it."""

    means: str
    do: str
    tab: str = ""


CONNECTION, TEMPLATES, MAPPING, FEATURES = "connection", "templates", "mapping", "features"
VALUE = "Correct the value on each person's page, or map another attribute. Then try them again."
CAUSES = {
    "ambiguous": Advice("several accounts match one user", "Make the look-up find one account only.", TEMPLATES),
    "base_dn": Advice("the base DN is not there", "Correct the base DN, or make it in the directory.", CONNECTION),
    "capability": Advice("the directory cannot do this", "Its settings say what is missing.", FEATURES),
    "conflict": Advice(
        "a name or value is taken in the directory",
        "Give one of the two another value, or link the account that is there. Then try them again.",
    ),
    "container": Advice("the place of the account is not there", "Make it, or correct the container.", CONNECTION),
    "encoding": Advice("a character cannot be stored", VALUE, MAPPING),
    "filter": Advice("the user filter cannot be read", "Correct the user filter.", CONNECTION),
    "held": Advice(
        "held by the guard: more than the limit within 24 hours",
        "The limits stand on the directory's page, under Features & schedule.",
        FEATURES,
    ),
    "internal": Advice("something went wrong in the portal itself", "The portal's log has it. Try them again once."),
    "mapping": Advice("the mapping gives no value", "Correct the attribute mapping. Then try them again.", MAPPING),
    "no_right": Advice("the portal's login may not do this", "Give the login the right in the directory.", CONNECTION),
    "not_found": Advice("what is to be changed is not there", "Try them again: they are looked up anew."),
    "nul": Advice("a value holds a character that cannot be stored", VALUE),
    "other_account": Advice("the account belongs to somebody else", "Rename one of the two people."),
    "other_group": Advice("the group belongs to another one", "Take it over on the group's page, or rename one."),
    "password_policy": Advice("the password is refused by the policy", "Set another one on the person's page."),
    "primary_group": Advice("it is the primary group of a member", "Give the member another one in the directory."),
    "refused": Advice("the directory refused it", "Its own words stand beside each change. Correct that first."),
    "secrets": Advice("a stored password cannot be read", "Put the key back, or type the password anew.", CONNECTION),
    "settings": Advice("the settings cannot be used", "Correct them on the directory's page.", CONNECTION),
    "still_there": Advice(
        "the account is there after it was deleted", "See whether a statement deletes it.", TEMPLATES
    ),
    "template": Advice("a query cannot be run", "Correct it. Try it beside the queries shows what it does.", TEMPLATES),
    "too_long": Advice("a value is too long for the directory", VALUE, MAPPING),
    "too_short": Advice("a value is too short for the directory", VALUE, MAPPING),
    "unseen": Advice("a new account is not found again", "Make the look-up find what was created.", TEMPLATES),
    "unsupported": Advice("the directory does not know this", "Its settings say what is missing.", CONNECTION),
    "wrong_type": Advice("a value is of another type over there", VALUE, MAPPING),
}


def advice_on(code: str) -> Advice | None:
    """Return the advice on a cause; None for one that only its message explains."""
    return CAUSES.get(code)


def place_of(advice: Advice, directory: Directory) -> str:
    """Return the address at which that is done, "" where it is not on the directory's page."""
    page = reverse("admin:directories_directory_change", args=[directory.pk])
    return f"{page}#{advice.tab}" if advice.tab else ""
