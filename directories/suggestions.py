"""Pure: which portal attribute a directory's column probably is, and which known name a misspelt one is near."""

import re
from collections.abc import Iterable, Mapping

from directories.attributes import Kind, PortalAttribute

# The names that databases, LDAP schemas, SCIM and HR systems use, without separators and case.
_SYNONYMS: dict[str, str] = {
    "username": "user userid uid login loginname logon logonname accountname samaccountname account nickname usr uname",
    "email": "mail emailaddress mailaddress emailaddr workemail primaryemail businessemail smtp emails email1 mail1",
    "first_name": "givenname fname forename first vorname prenom namefirst nombre",
    "last_name": "sn surname lname familyname last nachname namelast secondname apellido",
    "display_name": "name fullname cn commonname displayedname longname anzeigename",
    "phone": "telephonenumber telephone tel phonenumber workphone officephone businessphone telefon phoneno telno",
    "mobile": "mobilephone cell cellphone mobilenumber handy mobileno cellular gsm mobiltelefon",
    "title": "jobtitle position job role jobposition function designation",
    "department": "dept departmentname deptname ou orgunit abteilung dep",
    "division": "div divisionname businessunit bu",
    "organization": "organisation org o company companyname employer firma organizationname",
    "cost_center": "costcentre cc costcode costcenterno kostenstelle",
    "employee_number": "empno employeeid empid employeeno staffno staffid personnelnumber personnelno payrollid "
    "payrollnumber personnumber personalnummer workforceid empnumber staffnumber badge",
    "employee_type": "emptype stafftype contracttype employmenttype workertype",
    "manager": "supervisor boss managerid managerusername reportsto lineman linemanager mgr vorgesetzter",
    "street_address": "street address address1 addressline1 streetaddress1 addr strasse postaladdress",
    "locality": "city town l cityname ort stadt",
    "region": "state st province stateprovince county stateorprovince bundesland",
    "postal_code": "zip zipcode postcode plz postalcode1",
    "country": "c co countrycode countryname countryregion land nation",
    "locale": "language lang preferredlanguage languagecode culture",
    "time_zone": "tz timezonename zoneinfo olson",
    "active": "enabled isactive status isenabled accountenabled aktiv activeflag inuse",
}
_BY_NAME = {name: target for target, names in _SYNONYMS.items() for name in (target.replace("_", ""), *names.split())}
_PREFIX = re.compile(
    r"^(user|usr|employee|emp|person|contact|txt|str|fld|col|work|business|u|p)[_\-. ]+(?=.{2,})", re.I
)


def suggest(
    columns: Iterable[str], catalogue: Mapping[tuple[Kind, str], PortalAttribute]
) -> list[tuple[str, PortalAttribute | None]]:
    """Return each column with the portal attribute that its name means, None when it is not clear.

    A portal attribute is suggested once: for the column that has exactly its name, else for the first that means it.
    """
    columns = list(columns)
    names = {_plain(attribute.name): attribute for attribute in reversed(list(catalogue.values()))}
    found: dict[str, PortalAttribute] = {}
    taken: set[tuple[Kind, str]] = set()
    for guess in (_exact, _synonym, _without_prefix):
        for column in columns:
            attribute = None if column in found else guess(column, names)
            if attribute and (attribute.kind, attribute.name) not in taken:
                found[column] = attribute
                taken.add((attribute.kind, attribute.name))
    return [(column, found.get(column)) for column in columns]


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()


def _exact(column: str, names: Mapping[str, PortalAttribute]) -> PortalAttribute | None:
    return names.get(_plain(column))


def _synonym(column: str, names: Mapping[str, PortalAttribute]) -> PortalAttribute | None:
    return names.get(_plain(_BY_NAME.get(_plain(column), "")))


def _without_prefix(column: str, names: Mapping[str, PortalAttribute]) -> PortalAttribute | None:
    separated = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column)
    shorter = _PREFIX.sub("", separated)
    if shorter == separated:
        return None
    return _exact(shorter, names) or _synonym(shorter, names)
