"""How text is compared by filters where case does not count."""

import unicodedata


def folded(value: str) -> str:
    """Return the text as ``provisioning``'s folded columns hold it; spaces at the ends of a part of a text count."""
    return unicodedata.normalize("NFKC", value).casefold()
