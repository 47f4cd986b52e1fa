"""What people are told of a product, and what its attributes are commonly called."""

from collections.abc import Mapping

from directories.connectors.scim.presets import ScimPreset

# SCIM paths, without their schema, by the names that the mapping's suggestions know.
MEANT: Mapping[str, str] = {
    "name.givenName": "givenName",
    "name.familyName": "familyName",
    "displayName": "displayName",
    'emails[type eq "work"].value': "email",
    "emails.value": "email",
    'phoneNumbers[type eq "work"].value': "phone",
    "phoneNumbers.value": "phone",
    'phoneNumbers[type eq "mobile"].value': "mobile",
    'addresses[type eq "work"].streetAddress': "street address",
    'addresses[type eq "work"].locality': "locality",
    'addresses[type eq "work"].region': "region",
    'addresses[type eq "work"].postalCode': "postal code",
    'addresses[type eq "work"].country': "country",
    "timezone": "time zone",
    "userType": "employee type",
    "preferredLanguage": "",  # a list of languages as browsers write it, where the portal has one locale
    "nickName": "",
    "name.formatted": "",
    "manager.value": "manager",
    "manager.displayName": "",
}


def fills(preset: ScimPreset) -> Mapping[str, str]:
    """Return what stands in the blank boxes of the form."""
    known = {
        "url": preset.base_url,
        "token_url": preset.auth.token_url,
        "scope": preset.auth.scope,
        "in_flight": str(preset.in_flight),
    }
    return {name: words for name, words in known.items() if words}


def notes(preset: ScimPreset) -> str:
    """Return what to do in the product, what surprises, and what cannot be undone."""
    said = [preset.notes, *preset.quirks]
    if preset.delete.user == "deactivate":
        said.append("Who is deleted there is only switched off.")
    seen = max(source.seen_on for source in preset.source)
    words = " ".join(" ".join(part.split()) for part in said if part)
    return f"{words} (As its documents said on {seen}.)" if words else ""
