"""Who did something, as the report says it: a person by their user name, or through a token that somebody made.

What asks for two people goes by the person behind a token: nobody is two people by having one.
"""

import re

_THROUGH = re.compile(r", by (?:service )?token ")


def through_token(person: str, token: str, *, service: bool = False) -> str:
    """Return who is named in the report for what is done with a token; ``person`` owns it, or made it."""
    return f"{person}, by {'service ' if service else ''}token {token}"


def person_behind(actor: str) -> str:
    """Return the user name of the person who acted, with a token or without."""
    return _THROUGH.split(actor, maxsplit=1)[0]


def beginnings(person: str) -> tuple[str, str]:
    """Return with what the names of this person's tokens begin."""
    return through_token(person, ""), through_token(person, "", service=True)
