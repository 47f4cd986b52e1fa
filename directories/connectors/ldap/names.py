"""Pure: distinguished names (RFC 4514): taken apart, put together, and made from a container's template."""

import re
from collections.abc import Iterator, Mapping, Sequence

from directories.attributes import Value
from directories.connectors.base import ConnectorError
from directories.expressions import USER, ExpressionError, compile_expression

_PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_BARE_NAME = re.compile(r"^\s*(?!value\b|user\b)([A-Za-z_]\w*)")
_NUMBER = re.compile(r"\0(\d+)\0")  # stands for a placeholder while the template is split at its commas
_PLAIN = re.compile(r"(?:(?:^|,)[\w.-]+=[\w.@:/()'-]+(?: [\w.@:/()'-]+)*)+")
_HEX = re.compile(rb"[0-9a-fA-F]{2}")


def escape(value: str) -> str:
    """Return a value as it stands in a DN (RFC 4514, section 2.4)."""
    found = "".join(_escaped(character) for character in value)
    if found.startswith((" ", "#")):
        found = f"\\{found}"
    return f"{found[:-1]}\\ " if value.endswith(" ") and len(value) > 1 else found


def _escaped(character: str) -> str:
    if character in '\\,+"<>;=':
        return f"\\{character}"
    return f"\\{ord(character):02X}" if ord(character) < 32 else character


def unescape(value: str) -> str:
    """Return what an escaped value of a DN stands for."""
    raw, found, at = value.encode(), bytearray(), 0
    while at < len(raw):
        if raw[at : at + 1] != b"\\":
            found += raw[at : at + 1]
            at += 1
        elif _HEX.fullmatch(raw, at + 1, at + 3):
            found.append(int(raw[at + 1 : at + 3], 16))
            at += 3
        else:
            found += raw[at + 1 : at + 2]
            at += 2
    return found.decode(errors="replace")


def split(dn: str, separator: str = ",") -> list[str]:
    """Return the parts of a DN, the entry's own first, as they are written."""
    parts, start, at = [], 0, 0
    while at < len(dn):
        if dn[at] == "\\":
            at += 1
        elif dn[at] == separator:
            parts.append(_trimmed(dn[start:at]))
            start = at + 1
        at += 1
    last = _trimmed(dn[start:])
    return [*parts, last] if last or parts else []


def _trimmed(text: str) -> str:
    """Return the text without blanks around it, but with a last one that is escaped."""
    bare = text.strip(" \t\r\n")  # no other blanks: a name may end with one
    backslashes = len(bare) - len(bare.rstrip("\\"))
    return f"{bare} " if backslashes % 2 else bare


def parent(dn: str) -> str:
    """Return the DN of the entry above."""
    return ",".join(split(dn)[1:])


def rdn(dn: str) -> tuple[str, str]:
    """Return the attribute and the plain value of the entry's own part (the first of several with "+")."""
    return next(iter(named_by(split(dn)[0] if dn else "")), ("", ""))


def named_by(part: str) -> list[tuple[str, str]]:
    """Return the attributes and plain values of one part of a DN: it may have several, "cn=Ann+uid=1"."""
    pairs = (each.partition("=") for each in split(part, "+"))
    return [(name.strip(), unescape(_trimmed(value))) for name, _, value in pairs]


def part_of(pairs: Sequence[tuple[str, str]]) -> str:
    """Return one part of a DN, as ``named_by`` takes it apart."""
    return "+".join(f"{name}={escape(value)}" for name, value in pairs)


def same(one: str, other: str) -> bool:
    """Return whether two DNs name one entry: servers write case, blanks and escapes differently."""
    return folded(one) == folded(other)


def folded(dn: str) -> tuple[tuple[tuple[str, str], ...], ...]:
    """Return a DN in a form in which it can be compared."""
    return tuple(
        tuple(sorted((name.casefold(), " ".join(value.casefold().split())) for name, value in named_by(part)))
        for part in split(dn)
    )


def normal(dn: str) -> str:
    """Return a DN as text that is equal for every way of writing it."""
    if _PLAIN.fullmatch(dn):  # a crawl does this for every entry, and nearly every DN is of this kind
        return dn.casefold()
    return ",".join(map(part_of, folded(dn)))


def below(dn: str, base: str) -> bool:
    """Return whether the entry is the base or below it."""
    ours, theirs = folded(dn), folded(base)
    return len(ours) >= len(theirs) and ours[len(ours) - len(theirs) :] == theirs


def ancestors(dn: str) -> Iterator[str]:
    """Yield the DN and everything above it, up to the top."""
    parts = split(dn)
    for start in range(len(parts)):
        yield ",".join(parts[start:])


def from_template(template: str, person: Mapping[str, Value]) -> str:
    """Return the DN that a template such as ``OU={{ department }},OU=People`` gives for a person; raise ConnectorError.

    Values are escaped, so that none of them can lead elsewhere; a part whose value is empty is left out.
    """
    expressions = _PLACEHOLDER.findall(template)
    numbers = iter(range(len(expressions)))
    kept = []
    for part in split(_PLACEHOLDER.sub(lambda _: f"\0{next(numbers)}\0", template)):
        name, _, value = part.partition("=")
        filled = _NUMBER.sub(lambda match: escape(_value(expressions[int(match[1])], person)), value).strip(" ")
        if filled:
            kept.append(f"{name}={filled}")
    return ",".join(kept)


def _value(expression: str, person: Mapping[str, Value]) -> str:
    source = _BARE_NAME.sub(r"user.\1", expression)
    try:
        found = compile_expression(f"{{{{ {source} }}}}", USER).evaluate(None, person)
    except ExpressionError as error:
        raise ConnectorError(f"The container cannot be made: {error.message}", code="settings") from None
    found = found[0] if isinstance(found, tuple) else found
    return "" if found is None else str(found).strip()


def problem(template: str) -> str:
    """Return what is wrong with a container's template, "" for nothing."""
    parts = split(_PLACEHOLDER.sub("x", template))
    if not parts or not all(re.fullmatch(r"[A-Za-z][\w.-]*\s*=.+", part, re.DOTALL) for part in parts):
        return "Write a distinguished name such as OU=People,DC=example,DC=org."
    for expression in _PLACEHOLDER.findall(template):
        try:
            compile_expression("{{ " + _BARE_NAME.sub(r"user.\1", expression) + " }}", USER)
        except ExpressionError as error:
            return error.message
    return ""


def made_to_fit(name: str, taken: Sequence[str] = ()) -> str:
    """Return a sAMAccountName: at most 20 characters, none that is not allowed, with a counter when it is taken.

    https://learn.microsoft.com/windows/win32/adschema/a-samaccountname
    """
    clean = re.sub(r'["/\\\[\]:;|=,+*?<>@\x00-\x1f]', "", name.partition("@")[0]).strip(" .") or "user"
    used = {each.casefold() for each in taken}
    number = 1
    candidate = clean[:20].rstrip(" .")
    while candidate.casefold() in used:
        number += 1
        candidate = f"{clean[: 20 - len(str(number))].rstrip(' .')}{number}"
    return candidate
