"""An OpenLDAP full of people for the benches, and the floors: what ldap3 alone makes of the same entries."""

import time
from pathlib import Path
from typing import Any

import ldap3

from tests.directory_servers import SUFFIX, OpenLDAP, bound
from tests.servers import Server

PEOPLE = f"ou=people,{SUFFIX}"
OUT = f"ou=out,{PEOPLE}"
MAPPING = {"givenName": "first_name", "sn": "last_name", "mail": "email", "departmentNumber": "department"}
# What the product asks for: its own id, name and state, and what is mapped.
ATTRIBUTES = ["entryUUID", "uid", "pwdAccountLockedTime", *MAPPING]
PAGE = 1000
LONG_AGO = "20200101000000Z"


class FullOpenLDAP(OpenLDAP):
    """An OpenLDAP that begins with ``people`` entries. It syncs nothing to the disk, for floor and product alike."""

    people = 0

    def prepare(self) -> None:
        """Add the people while the server is not running, which takes a hundredth of the time."""
        super().prepare()
        ldif = self.folder / "people.ldif"
        with ldif.open("w") as file:
            for dn in (PEOPLE, OUT):
                name = dn.partition(",")[0].partition("=")[2]
                file.write(f"dn: {dn}\nobjectClass: organizationalUnit\nou: {name}\n\n")
            file.writelines(_person(number) for number in range(self.people))
        self.give(ldif)
        self.run([self.find("slapadd"), "-q", "-f", str(self.folder / "slapd.conf"), "-l", str(ldif)])

    def _configuration(self) -> str:
        return super()._configuration().replace("uid eq", "uid,modifyTimestamp eq")


def _person(number: int) -> str:
    uid = f"person{number}"
    return (
        f"dn: uid={uid},{PEOPLE}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: First{number} Last{number}\n"
        f"sn: Last{number}\ngivenName: First{number}\nmail: {uid}@example.org\n"
        f"departmentNumber: Department {number % 50}\n"
        f"modifyTimestamp: {LONG_AGO}\n\n"  # what is newer than some minutes is read by every import of changes
    )


def started(folder: Path, people: int) -> tuple[FullOpenLDAP, Server]:
    """Start one with so many people."""
    program = FullOpenLDAP(folder)
    program.people = people
    program.install()
    return program, program.start()


def settings(server: Server) -> dict[str, Any]:
    """Return the form's values for it."""
    return {
        "host": f"127.0.0.1:{OpenLDAP.tls_port_of(server)}",
        "encryption": "ldaps",
        "check_certificate": "yes",
        "ca": server.ca,
        "user": server.user,
        "password": server.password,
        "base_dn": PEOPLE,
        "preset": "openldap",
    }


def link(server: Server) -> ldap3.Connection:
    """Return a raw connection, over TLS as the product's."""
    return bound(f"ldaps://127.0.0.1:{OpenLDAP.tls_port_of(server)}", server.user, server.password)


def read_rate(server: Server) -> float:
    """Return entries a second of the import's floor: ldap3's own paged search, the entries thrown away."""
    connection = link(server)
    entries, cookie, begun = 0, None, time.perf_counter()
    while entries == 0 or cookie:
        connection.search(
            PEOPLE,
            "(objectClass=inetOrgPerson)",
            attributes=ATTRIBUTES,
            paged_size=PAGE,
            paged_cookie=cookie,
        )
        entries += len(connection.response)
        cookie = connection.result["controls"]["1.2.840.113556.1.4.319"]["value"]["cookie"]
    rate = entries / (time.perf_counter() - begun)
    connection.unbind()
    return rate


def touch(server: Server, count: int, percent: int) -> None:
    """Change so many of the people."""
    connection = link(server)
    for number in range(0, count, 100 // percent):
        connection.modify(f"uid=person{number},{PEOPLE}", {"sn": [(ldap3.MODIFY_REPLACE, [f"New{number}"])]})
    connection.unbind()


def loop_rates(server: Server, count: int) -> tuple[float, float]:
    """Return creates and updates a second of the outbound floor: look, write, one person at a time."""
    connection = link(server)
    begun = time.perf_counter()
    for number in range(count):
        uid = f"raw{number}"
        connection.search(OUT, f"(uid={uid})", attributes=ATTRIBUTES)
        names = {"uid": uid, "cn": uid, "sn": "Out", "givenName": uid, "mail": f"{uid}@example.org"}
        connection.add(f"uid={uid},{OUT}", ["inetOrgPerson"], names)
        connection.extend.standard.modify_password(user=f"uid={uid},{OUT}", new_password=f"Secret-{number}")
        connection.search(f"uid={uid},{OUT}", "(objectClass=*)", ldap3.BASE, attributes=ATTRIBUTES)
    created = count / (time.perf_counter() - begun)
    begun = time.perf_counter()
    for number in range(count):
        connection.search(OUT, f"(uid=raw{number})", attributes=ATTRIBUTES)
        connection.modify(f"uid=raw{number},{OUT}", {"sn": [(ldap3.MODIFY_REPLACE, ["Changed"])]})
    updated = count / (time.perf_counter() - begun)
    empty(connection)
    connection.unbind()
    return created, updated


def empty(connection: ldap3.Connection) -> None:
    """Remove everybody from the part that is written to."""
    connection.search(OUT, "(objectClass=inetOrgPerson)", attributes=["1.1"])
    for dn in [item["dn"] for item in connection.response if item["type"] == "searchResEntry"]:
        connection.delete(dn)
