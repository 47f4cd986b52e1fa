"""Pure: which portal attribute a directory's column probably is, and which known name a misspelt one is near."""

import re
from collections.abc import Iterable, Mapping

from directories.attributes import SOURCE_ATTRIBUTES, Kind, PortalAttribute

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
# The same for fields of contracts, as HR systems call them.
_OF_CONTRACTS: dict[str, str] = {
    "starts": "start startdate startson validfrom begin begindate begins hiredate contractstart entrydate firstday",
    "ends": "end enddate endson validto validuntil termination terminationdate contractend exitdate lastday",
    "type": "contracttype employmenttype",
    "fte": "ftefactor fulltimeequivalent",
    "hours": "hoursperweek weeklyhours contracthours",
    "percentage": "percent pct parttimepercentage",
    "sequence": "sequencenumber seqno",
    "employer": "company companyname legalentity organization organisation employername",
    "department": "departmentid departmentcode departmentnumber deptid deptcode orgunitid orgunitcode",
    "department_name": "department dept departmentname orgunit orgunitname",
    "title": "jobtitle position job role function titlename jobtitlename",
    "team": "teamname",
    "location": "locationid locationcode siteid sitecode",
    "location_name": "site office workplace locationname",
    "time_zone": "tz",
    "cost_centre": "costcenter costcode costcentercode costcentrecode kostenstelle",
    "division": "div divisionname businessunit bu",
    "manager": "managerid managernumber supervisor supervisorid reportsto",
}


_PREFIX = re.compile(
    r"^(user|usr|employee|emp|person|contact|txt|str|fld|col|work|business|u|p)[_\-. ]+(?=.{2,})", re.I
)


def suggest(
    columns: Iterable[str],
    catalogue: Mapping[tuple[Kind, str], PortalAttribute],
    synonyms: Mapping[str, str] = _SYNONYMS,
) -> list[tuple[str, PortalAttribute | None]]:
    """Return each column with the portal attribute that its name means, None when it is not clear.

    A portal attribute is suggested once: for the column that has exactly its name, else for the first that means it.
    """
    columns = list(columns)
    attributes = reversed(list(catalogue.values()))
    exact = {_plain(attribute.name): attribute for attribute in attributes}
    meant = {
        name: exact[_plain(target)]
        for target, names in synonyms.items()
        for name in names.split()
        if _plain(target) in exact
    }
    known = meant | exact
    found: dict[str, PortalAttribute] = {}
    taken: set[tuple[Kind, str]] = set()
    for names, plain in ((exact, _plain), (known, _plain), (known, _without_prefix)):
        for column in columns:
            attribute = None if column in found else names.get(plain(column))
            if attribute and (attribute.kind, attribute.name) not in taken:
                found[column] = attribute
                taken.add((attribute.kind, attribute.name))
    return [(column, found.get(column)) for column in columns]


def suggest_fields(columns: Iterable[str], *, numbered: bool) -> list[tuple[str, PortalAttribute | None]]:
    """Return each column of contracts with the field that its name means.

    ``numbered``: the source has a list of departments, so that a contract names one by its number.
    """
    fields: dict[tuple[Kind, str], PortalAttribute] = {
        (one.kind, one.name): one
        for one in SOURCE_ATTRIBUTES
        if one.kind is Kind.CONTRACT and (numbered or one.name != "department")
    }
    return suggest(columns, fields, _OF_CONTRACTS)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()


def _without_prefix(column: str) -> str:
    separated = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column)
    return _plain(_PREFIX.sub("", separated))
