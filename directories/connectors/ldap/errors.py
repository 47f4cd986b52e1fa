"""What a directory server's refusal means to a helpdesk: by its result code (RFC 4511, appendix A), then by its words.

A server's words may hold values, so of them only names of attributes reach a message, cut out by strict patterns. The
one exception is a refused password: its owner needs the words of the policy, and no server puts a password there.
"""

import re
import ssl
from collections.abc import Mapping
from typing import Any

from ldap3.core import exceptions as ldap

from directories.connectors.base import AGAIN, Conflict, ConnectorError, NotFound, Unavailable

LDAP_ERRORS = (ldap.LDAPException, OSError)
# What servers say of the cookie of a paged search that they forgot: OpenLDAP, others, Active Directory.
FORGOTTEN = frozenset({2, 12, 53})
LOST_PLACE = (
    "The directory forgot where it was while the portal read it. Import again; if that goes on, make pages smaller."
)
SUCCESS, REFERRAL, NO_SUCH_OBJECT, ALREADY_EXISTS = 0, 10, 32, 68
NO_SUCH_VALUE, INAPPROPRIATE_MATCHING = 16, 18
REFUSED_PASSWORD = "password_policy"
NO_MATCHING = "no_matching"  # the values of an attribute cannot be told apart, so none can be added or removed
STILL_PRIMARY = (
    "The group is still the primary group of accounts, so it cannot be deleted. Give those accounts another "
    "primary group there, then try again."
)
_CHECK = "on the directory's page"
_WAITING: Mapping[int, tuple[str, str]] = {
    3: ("timeout", f"The directory needed longer than it allows itself. {AGAIN}"),
    8: ("tls", f"The server takes logins only over an encrypted connection. Choose LDAPS or StartTLS {_CHECK}."),
    11: (
        "limit",
        "The directory stopped at one of its own limits. Ask its administrator to raise them for the portal.",
    ),
    13: ("tls", f"The server takes this only over an encrypted connection. Choose LDAPS or StartTLS {_CHECK}."),
    49: ("login", f"The directory refused the login. Check login and password {_CHECK}."),
    51: ("busy", f"The directory is busy. {AGAIN}"),
    52: ("unavailable", f"The directory is shutting down or not ready. {AGAIN}"),
}
_MESSAGES: Mapping[int, tuple[str, str]] = {
    4: (
        "size_limit",
        "The directory gives the portal only a part of its entries (size limit). Raise the limit for it.",
    ),
    7: ("login", f"The server does not take a login by password. Check the login {_CHECK}."),
    10: ("referral", "The entry is on another server (referral). Use that server, or a base DN that this one has."),
    12: ("control", "The server cannot do what the portal asks of it. Check the kind of server."),
    16: ("attribute", "The entry has no {name}, so it cannot be changed that way. Try again."),
    17: ("attribute", "The directory knows no attribute {name}. Correct the attribute mapping."),
    18: ("filter", f"The filter compares an attribute in a way that it does not allow. Correct the filter {_CHECK}."),
    19: ("constraint", "The directory's rules refuse a value of {name}. Correct it in the portal."),
    21: ("wrong_type", "A value does not have the form that {name} needs. Correct the value or its mapping."),
    34: ("dn", f"A name (DN) is not written as the server wants it. Correct it {_CHECK}."),
    48: ("login", f"The server does not take this login. Check login and password {_CHECK}."),
    50: ("no_right", "The portal's login may not do this in the directory. Give it the right to."),
    53: ("unwilling", "The directory is not willing to do this. Its rules or the account's state forbid it."),
    64: ("naming", "An entry of this kind cannot be named so or be there. Check naming attribute and container."),
    65: ("schema", "The entry does not fit its object classes. Check object classes and attribute mapping."),
    66: ("not_leaf", "The account has entries below it. Remove them, or switch on that they are deleted with it."),
    67: ("naming", "The attribute that names the entry cannot be changed so. Correct the attribute mapping."),
    69: ("schema", "The object classes of an entry cannot be changed so. Check the object classes."),
    71: ("naming", "The new place is on another server. An account cannot be moved there."),
}
# The sub-codes of Active Directory's refused logins ("data 52e"): [MS-ERREF], in hexadecimal.
_LOGINS = {
    "525": "It does not know this login.",
    "52e": "The password is wrong, or there is no such login.",
    "530": "The login may not be used at this time of day.",
    "532": "The password of the login has expired.",
    "533": "The login is disabled.",
    "701": "The login has expired.",
    "773": "The password of the login must be changed first.",
    "775": "The login is locked after too many wrong passwords.",
}
_NAME = r"([A-Za-z][\w.;-]{0,63})"
_NAMES = (
    rf"^{_NAME}: (?:attribute type undefined|value #\d|requires|multiple values|no equality|attribute)",
    rf"attribute '{_NAME}'",
    rf"attribute type '{_NAME}'",
    rf"Att [0-9a-f]+ \({_NAME}\)",  # Active Directory
    rf"(?:attribute|element) {_NAME} (?:on entry|in|was not|is|has)",  # Samba
)
_POLICY = re.compile(r"^[\w ,.;:'’()/+%-]{5,300}[.!]?$")


class NoBase(ConnectorError):
    """The base of a search is not there."""

    code = "base_dn"

    def __init__(self) -> None:
        super().__init__(
            "The base DN is not in the directory, or the portal's login may not see it. Check the base DN."
        )


def refused(result: Mapping[str, Any]) -> ConnectorError:
    """Return what an operation's result means; its code is not success."""
    code, text = int(result.get("result") or 0), str(result.get("message") or "").rstrip("\0")
    if code in _WAITING:
        return _waiting(code, text)
    if code == NO_SUCH_OBJECT:
        return NotFound("The account is not in the directory.")
    if "primaryGroupID" in text and result.get("type") == "delResponse":
        return ConnectorError(STILL_PRIMARY, code="primary_group")
    if code in (ALREADY_EXISTS, 20) or (code == 19 and ("unique" in text or "already" in text)):
        return _taken(attribute_in(text))
    return _other(code, text)


def _waiting(code: int, text: str) -> Unavailable:
    """Return what passes by itself, or with the portal's own login; Active Directory says more about that one."""
    name, message = _WAITING[code]
    login = re.search(r"\bdata ([0-9a-f]{3,4})\b", text) if code == 49 else None
    if login and login[1] in _LOGINS:
        message = f"{message} {_LOGINS[login[1]]}"
    return unavailable(name, message)


def _taken(attribute: str) -> Conflict:
    same = f"the same {attribute}" if attribute else "the same name or another value that must be unique"
    return Conflict(f"Another entry of the directory already has {same}. Change it there or in the portal.")


def _other(code: int, text: str) -> ConnectorError:
    name, message = _MESSAGES.get(code, ("refused", "The directory refused this. Its administrator can see why."))
    attribute = attribute_in(text)
    if code == 65 and attribute:
        if "requires" in text or "missing" in text:
            problem, todo = "needs a value for", "Fill in the portal attribute that is mapped to it, or map one."
        else:
            problem, todo = "does not allow", "Check the mapping."
        message = f"The directory {problem} {attribute} in such an entry. {todo}"
    return ConnectorError(message.format(name=attribute or "an attribute"), code=name)


def refused_change(result: Mapping[str, Any]) -> ConnectorError:
    """Return why modifications of single values were not taken; those that somebody else made first are a Conflict."""
    if result.get("result") == NO_SUCH_VALUE:
        return Conflict("Somebody changed the entry at the same time. Try again.")
    error = refused(result)
    if result.get("result") == INAPPROPRIATE_MATCHING:
        error.code = NO_MATCHING
    return error


def refused_password(result: Mapping[str, Any]) -> ConnectorError:
    """Return why a password was not taken, in the words of the directory's policy where it gives any."""
    code, words = int(result.get("result") or 0), str(result.get("message") or "").rstrip("\0").strip()
    if code not in (19, 53):
        return refused(result)
    reason = words.partition("check_password_restrictions: ")[2] or words  # Samba
    if "0000052D" in reason or not _POLICY.match(reason):
        reason = "It does not have the length, the kinds of characters or the novelty that the policy wants."
    return ConnectorError(f"The directory's policy refuses the password: {reason}", code=REFUSED_PASSWORD)


def attribute_in(words: str) -> str:
    """Return the attribute that a server's message names, "" for none."""
    return next((match[1] for pattern in _NAMES if (match := re.search(pattern, words))), "")


def unavailable(code: str, message: str) -> Unavailable:
    """Return an error after which the portal tries again."""
    error = Unavailable(message)
    error.code = code
    return error


def broken(error: Exception) -> ConnectorError:
    """Return what an exception of the client library or of the network means."""
    if isinstance(error, ssl.SSLError):
        return unavailable("tls", tls_message(error))
    if isinstance(error, ldap.LDAPInvalidFilterError):
        return ConnectorError(f"The user filter cannot be read. Correct it {_CHECK}.", code="filter")
    if isinstance(error, ldap.LDAPInvalidDnError):
        return ConnectorError(f"A name (DN) cannot be read. Correct it {_CHECK}.", code="dn")
    if isinstance(error, ldap.LDAPStartTLSError):
        return unavailable(
            "tls", f"The server does not offer StartTLS. Choose LDAPS, or switch StartTLS on there ({_CHECK})."
        )
    if isinstance(error, ldap.LDAPSocketOpenError):
        return unavailable(
            "unreachable", "The directory server cannot be reached. Check address, port and whether it runs."
        )
    if isinstance(error, ldap.LDAPResponseTimeoutError | TimeoutError) or "timed out" in str(error):
        return unavailable("timeout", f"The directory took too long to answer. {AGAIN}")
    if isinstance(error, ldap.LDAPCommunicationError | OSError):
        return unavailable("connection", f"The connection to the directory was lost. {AGAIN}")
    return ConnectorError("The directory answered in a way that is not understood.", code="answer")


def tls_message(error: ssl.SSLError) -> str:
    """Return what is wrong with a server's TLS."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in (62, 64):  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
            return "The server's certificate is for another name. Use the name that the certificate has."
        if error.verify_code in (9, 10):
            return "The server's certificate is not valid today. It has to be renewed there."
        return "The server's certificate is not signed by an authority that is trusted. Paste the right authority."
    return "The server does not speak TLS on this port, or only versions that are too old. Check port and encryption."
