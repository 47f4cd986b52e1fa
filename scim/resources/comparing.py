"""How a comparison of a filter is asked of a column: by its operator, and of text where case does not count."""

import unicodedata

WAYS = {
    "eq": "exact",
    "co": "contains",
    "sw": "startswith",
    "ew": "endswith",
    "gt": "gt",
    "ge": "gte",
    "lt": "lt",
    "le": "lte",
}


def folded(value: str) -> str:
    """Return the text as ``provisioning``'s folded columns hold it; spaces at the ends of a part of a text count."""
    return unicodedata.normalize("NFKC", value).casefold()
