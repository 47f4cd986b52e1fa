"""The SCIM attributes that are offered for a mapping: those of RFC 7643, as identity providers send them."""

PATHS = (
    "userName",
    "active",
    "name.givenName",
    "name.familyName",
    "name.formatted",
    "displayName",
    "nickName",
    "profileUrl",
    "title",
    "userType",
    "preferredLanguage",
    "locale",
    "timezone",
    *(f'emails[type eq "{kind}"].value' for kind in ("work", "home", "other")),
    *(f'phoneNumbers[type eq "{kind}"].value' for kind in ("work", "mobile", "home", "fax")),
    *(
        f'addresses[type eq "work"].{part}'
        for part in ("streetAddress", "locality", "region", "postalCode", "country", "formatted")
    ),
    *(
        f"enterprise:{part}"
        for part in ("employeeNumber", "costCenter", "organization", "division", "department", "manager.value")
    ),
)
