"""Pure: an LDAP attribute's bytes become a portal's values, and the other way round."""

import datetime as dt
import struct
import uuid
from collections.abc import Sequence
from decimal import Decimal

from directories.attributes import Value

GUIDS = frozenset({"objectguid", "mds-consistencyguid", "ms-ds-consistencyguid", "msexchmailboxguid"})
SIDS = frozenset({"objectsid", "sidhistory"})
# 100-nanosecond steps since 1601-01-01 UTC; 0 and the greatest number mean "never" ([MS-ADTS] 2.2.16).
FILETIMES = frozenset(
    {"accountexpires", "badpasswordtime", "lastlogoff", "lastlogon", "lastlogontimestamp", "lockouttime", "pwdlastset"}
)
TIMES = frozenset(
    {"whencreated", "whenchanged", "createtimestamp", "modifytimestamp", "pwdchangedtime", "pwdlastsuccess"}
    | {
        "authtimestamp",
        "krblastpwdchange",
        "krbpasswordexpiration",
        "krbprincipalexpiration",
        "nsaccountexpirationtime",
    }
)
ALIASES = "proxyaddresses"
MANY = frozenset({"memberof", "member", "proxyaddresses", "objectclass", "othertelephone", "othermobile", "sidhistory"})
# What the server alone writes. A mapping for both directions may name it; nothing is sent.
READ_ONLY = frozenset(
    {"dn", "entrydn", "distinguishedname", "entryuuid", "nsuniqueid", "ipauniqueid", "memberof", "useraccountcontrol"}
    | {"creatorsname", "modifiersname", "entrycsn", "structuralobjectclass", "usnchanged", "usncreated", "objectclass"}
    | GUIDS
    | SIDS
    | TIMES
    | (FILETIMES - {"accountexpires", "pwdlastset"})
)
LOCKED_FOR_GOOD = b"000001010000Z"  # pwdAccountLockedTime: draft-behera-ldap-password-policy-10, section 5.3.3
NEVER = 0x7FFFFFFFFFFFFFFF
_EPOCH = dt.datetime(1601, 1, 1, tzinfo=dt.UTC)
_TIME_FORMATS = ("%Y%m%d%H%M%S.%fZ", "%Y%m%d%H%M%SZ", "%Y%m%d%H%MZ", "%Y%m%d%H%M%S%z")


def decode(name: str, values: Sequence[bytes]) -> Value:
    """Return an attribute's value: None for none, a tuple for several; raise UnicodeDecodeError for what is no text.

    An attribute that usually has several values is always a tuple, so that an expression can rely on it.
    """
    key = name.lower()
    if len(values) == 1 and key not in MANY:
        return _one(key, values[0])
    several = [str(_one(key, value)) for value in values]
    # A server may give them in another order each time, and that is no change; the primary address comes first.
    return (
        tuple(sorted(several, key=lambda text: (not text.startswith("SMTP:"), text)) if key in MANY else several)
        or None
    )


def _one(key: str, value: bytes) -> Value:
    if key in GUIDS and len(value) == 16:
        return str(uuid.UUID(bytes_le=value))
    if key in SIDS:
        return sid(value)
    text = value.decode()
    if key in FILETIMES:
        return from_filetime(text)
    return from_generalized(text) if key in TIMES else text


def encode(name: str, value: Value) -> list[bytes]:
    """Return what is written for a value; no bytes for none."""
    if value is None or value == "":
        return []
    if isinstance(value, tuple | list):
        return [data for item in value for data in encode(name, item)]
    key = name.lower()
    if key in GUIDS:
        found = guid(str(value))
        return [found.bytes_le if found else str(value).encode()]
    if key in FILETIMES and isinstance(value, dt.date):
        return [str(to_filetime(value)).encode()]
    return [_text(value).encode()]


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, dt.datetime):
        return f"{value.astimezone(dt.UTC):%Y%m%d%H%M%SZ}"
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def guid(text: str) -> uuid.UUID | None:
    """Return the GUID that a text is, None for what is none."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def now() -> dt.datetime:
    """Return the time, as the times of the directory are."""
    return dt.datetime.now(dt.UTC)


def sid(value: bytes) -> str:
    """Return a security identifier as people know it: S-1-5-21-... ([MS-DTYP] 2.4.2)."""
    count = value[1] if len(value) > 1 else 0
    if len(value) != 8 + 4 * count:
        return value.hex()
    authority = int.from_bytes(value[2:8], "big")
    return "-".join(map(str, ("S", value[0], authority, *struct.unpack(f"<{count}I", value[8:]))))


def from_filetime(text: str) -> Value:
    """Return a time of Active Directory, None for "never"."""
    number = int(text) if text.lstrip("-").isdigit() else 0
    if number <= 0 or number == NEVER:
        return None
    try:
        return _EPOCH + dt.timedelta(microseconds=number // 10)
    except OverflowError:
        return None


def to_filetime(value: dt.date) -> int:
    """Return a day (its beginning, UTC) or a time as Active Directory writes it."""
    if not isinstance(value, dt.datetime):
        value = dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)
    return int((value.astimezone(dt.UTC) - _EPOCH) / dt.timedelta(microseconds=1)) * 10


def from_generalized(text: str) -> Value:
    """Return a GeneralizedTime (RFC 4517, 3.3.13); what is none stays text."""
    for form in _TIME_FORMATS:
        try:
            found = dt.datetime.strptime(text, form)
        except ValueError:
            continue
        return found if found.tzinfo else found.replace(tzinfo=dt.UTC)
    return text


def aliases(held: Sequence[bytes], wanted: Sequence[bytes]) -> list[tuple[str, list[bytes]]]:
    """Return the modifications that make one address of proxyAddresses as wanted; the others stay.

    "SMTP:" marks the one primary address, "smtp:" a further one: the old primary becomes a further one, so that what
    is sent to it still arrives. Without a wanted one only the primary goes.
    """
    primary = [value for value in held if value.startswith(b"SMTP:")]
    if not wanted:
        return [("MODIFY_DELETE", primary)] if primary else []
    if wanted[0] in held:
        return []
    gone = [value for value in held if value.lower() == wanted[0].lower()]
    new = [wanted[0]]
    if wanted[0].startswith(b"SMTP:"):
        former = [value for value in primary if value not in gone]
        gone, new = gone + former, new + [b"smtp:" + value[5:] for value in former]
    return [*([("MODIFY_DELETE", gone)] if gone else []), ("MODIFY_ADD", new)]


def differences(held: Sequence[bytes], wanted: Sequence[bytes], *, whole: bool) -> list[tuple[str, list[bytes]]]:
    """Return the modifications that lead from what an attribute holds to what it shall hold; none when it does.

    ``whole``: ``wanted`` are all its values. Otherwise it is the first of them, and the others (such as further mail
    addresses) stay; so does one that somebody else adds meanwhile, because every value is named. They are taken out and
    put back: a new one alone would be the last, and the next import would take another for the first.
    """
    if not wanted:
        return [("MODIFY_DELETE", [])] if held else []
    if not held:
        return [("MODIFY_ADD", list(wanted))]
    if not whole:
        if held[0] == wanted[0]:
            return []
        new = [wanted[0], *(value for value in held[1:] if value != wanted[0])]
        return [("MODIFY_REPLACE", new)] if len(held) == 1 else [("MODIFY_DELETE", list(held)), ("MODIFY_ADD", new)]
    gone = [value for value in held if value not in wanted]
    new = [value for value in wanted if value not in held]
    if len(gone) == len(held):
        return [("MODIFY_REPLACE", list(wanted))]
    return [*([("MODIFY_DELETE", gone)] if gone else []), *([("MODIFY_ADD", new)] if new else [])]


def as_a_whole(
    held: Sequence[bytes], modifications: Sequence[tuple[str, list[bytes]]]
) -> list[tuple[str, list[bytes]]]:
    """Return what comes to the same as ``modifications``, for an attribute whose values cannot be named one by one."""
    result = list(held)
    for operation, given in modifications:
        gone = given if operation == "MODIFY_DELETE" and given else result
        result = [] if operation == "MODIFY_REPLACE" else result
        if operation == "MODIFY_DELETE":
            result = [value for value in result if value not in gone]
        else:
            result += given
    return [("MODIFY_REPLACE", result)]
