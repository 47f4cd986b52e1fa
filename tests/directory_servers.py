"""Real LDAP servers for the tests: OpenLDAP, and Samba as an Active Directory domain controller.

Samba's ports are fixed, so each instance has a loopback address of its own; they are below 1024, so it needs root.
"""

import secrets
import socket
from pathlib import Path
from typing import Any, Self

import ldap3

from tests.servers import Missing, Program, Server, free_port

SUFFIX = "dc=example,dc=org"
DOMAIN = "test.example.org"
SAMBA_SUFFIX = "DC=test,DC=example,DC=org"
SCHEMAS = ("core", "cosine", "inetorgperson", "nis")


def bound(url: str, user: str, password: str, **options: Any) -> ldap3.Connection:
    """Return a raw connection, which the tests use to look behind the connector's back."""
    server = ldap3.Server(url, get_info=ldap3.NONE, connect_timeout=5)
    return ldap3.Connection(server, user, password, auto_bind=True, raise_exceptions=True, **options)


class OpenLDAP(Program):
    """slapd with an empty database under ``SUFFIX``; ldap (with StartTLS) on ``port``, ldaps on ``tls_port``.

    ``portal`` may write, and the password policy holds for it, as it does not for the server's own administrator.
    ``reader`` may only read, ``limited`` gets at most ten entries a search; all have the same password.
    """

    name, package, binary, account = "openldap", "slapd", "slapd", "openldap"
    user = f"cn=portal,{SUFFIX}"

    def __init__(self, folder: Path, port: int = 0, password: str = "") -> None:
        super().__init__(folder, port, password)
        note = self.folder / "tls-port"
        self.tls_port = int(note.read_text()) if note.exists() else free_port()

    @staticmethod
    def tls_port_of(server: Server) -> int:
        """Return the port on which a running server speaks TLS at once."""
        return int((Path(server.folder) / "tls-port").read_text())

    def prepare(self) -> None:
        """Write the configuration and an empty database with its suffix."""
        self.certificate()
        (self.folder / "data").mkdir()
        (self.folder / "tls-port").write_text(str(self.tls_port))
        config = self.folder / "slapd.conf"
        config.write_text(self._configuration())
        self.give(self.folder / "data", config)
        tree = self.folder / "tree.ldif"
        tree.write_text(
            f"dn: {SUFFIX}\nobjectClass: organization\nobjectClass: dcObject\no: Example\ndc: example\n\n"
            + "".join(
                f"dn: cn={name},{SUFFIX}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\n"
                f"cn: {name}\nuserPassword: {self.password}\n\n"
                for name in ("portal", "reader", "limited")
            )
            + f"dn: cn=policy,{SUFFIX}\nobjectClass: device\nobjectClass: pwdPolicy\ncn: policy\n"
            "pwdAttribute: userPassword\npwdLockout: TRUE\npwdMinLength: 5\npwdCheckQuality: 2\n"
        )
        self.give(tree)
        self.run([self.find("slapadd"), "-f", str(config), "-l", str(tree)])

    def _configuration(self) -> str:
        folder = self.folder
        return "\n".join(
            [
                *(f"include /etc/ldap/schema/{schema}.schema" for schema in SCHEMAS),
                "modulepath /usr/lib/ldap",
                *(f"moduleload {module}" for module in ("back_mdb", "memberof", "ppolicy", "syncprov")),
                # 389 Directory Server's; there every entry may have it, here one of a class made for it.
                "attributetype ( 2.16.840.1.113730.3.1.610 NAME 'nsAccountLock' EQUALITY caseIgnoreMatch "
                "SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )",
                "objectclass ( 1.3.6.1.4.1.4203.666.11.99.1 NAME 'lockable' SUP top AUXILIARY MAY nsAccountLock )",
                f"pidfile {folder}/slapd.pid",
                f"TLSCertificateFile {folder}/server.crt",
                f"TLSCertificateKeyFile {folder}/server.key",
                "sizelimit unlimited",
                "database mdb",
                "maxsize 1073741824",
                f'suffix "{SUFFIX}"',
                f'rootdn "cn=admin,{SUFFIX}"',
                f"directory {folder}/data",
                "dbnosync",
                "index objectClass,entryUUID,uid eq",
                f'limits dn.exact="cn=limited,{SUFFIX}" size=10 size.prtotal=10',
                f'access to attrs=userPassword by dn.exact="{self.user}" write by anonymous auth by * none',
                f'access to * by dn.exact="{self.user}" manage by users read by * none',
                "overlay memberof",
                "overlay ppolicy",
                f'ppolicy_default "cn=policy,{SUFFIX}"',
                "ppolicy_hash_cleartext",
                "overlay syncprov",
                "",
            ]
        )

    def command(self) -> list[str]:
        """Listen on the loopback address, in the foreground."""
        urls = f"ldap://127.0.0.1:{self.port}/ ldaps://127.0.0.1:{self.tls_port}/"
        return [self.find("slapd"), "-f", str(self.folder / "slapd.conf"), "-h", urls, "-d", "0"]

    def check(self) -> None:
        """Bind."""
        bound(f"ldap://127.0.0.1:{self.port}", self.user, self.password).unbind()


def free_address() -> str:
    """Return a loopback address on which nobody has the ports of a domain controller."""
    while True:
        address = f"127.{100 + secrets.randbelow(100)}.{secrets.randbelow(250)}.{2 + secrets.randbelow(250)}"
        try:
            for port in (389, 636):
                with socket.socket() as listener:
                    listener.bind((address, port))
        except PermissionError:
            raise Missing("A domain controller listens on ports below 1024: run the tests as root.") from None
        except OSError:
            continue
        return address


class Samba(Program):
    """Samba's Active Directory domain controller of ``DOMAIN``, with LDAP and LDAPS alone."""

    name, package, binary = "samba", "samba-ad-dc samba-ad-provision python3-markdown", "samba"
    user = f"Administrator@{DOMAIN}"
    copied = True

    def __init__(self, folder: Path, port: int = 0, password: str = "") -> None:
        super().__init__(folder, 636, password or f"{secrets.token_urlsafe(12)}-Aa1")
        note = folder / "address"
        self.host = note.read_text() if note.exists() else free_address()

    def owner(self) -> None:
        """Samba stays root, for its ports and for the ids that it gives away."""
        return

    def install(self) -> Self:
        """Look for the parts that Debian packs apart from the program."""
        self.find("samba-tool")
        if not Path("/usr/share/samba/setup").is_dir():
            raise Missing(f"Samba cannot make a domain here: run `make test`, or `apt-get install {self.package}`.")
        return super().install()

    def install_copy(self, prepared: Path) -> Self:
        """Let the copy know its own folder and address."""
        super().install_copy(prepared)
        config = self.folder / "etc" / "smb.conf"
        config.write_text(config.read_text().replace(str(prepared), str(self.folder)))
        (self.folder / "address").write_text(self.host)
        self.certificate()
        return self

    def prepare(self) -> None:
        """Make the domain, and a certificate that is right for its address."""
        (self.folder / "address").write_text(self.host)
        self.run(
            [
                *(self.find("samba-tool"), "domain", "provision", "--dns-backend=NONE", f"--targetdir={self.folder}"),
                *(f"--realm={DOMAIN.upper()}", "--domain=TEST", f"--adminpass={self.password}", "--server-role=dc"),
                *("--use-rfc2307", f"--host-ip={self.host}", "--host-name=dc1"),
            ]
        )
        self.run(
            [  # short passwords are enough for tests; one of under five characters is refused
                *(self.find("samba-tool"), "domain", "passwordsettings", "set", "--complexity=off"),
                *("--min-pwd-length=5", "--min-pwd-age=0", "--history-length=0"),
                *("-s", str(self.folder / "etc" / "smb.conf"), "-H", str(self.folder / "private" / "sam.ldb")),
            ]
        )
        self.certificate()

    def certificate_names(self) -> str:
        """The address is not the usual one."""
        return f"DNS:dc1.{DOMAIN},IP:{self.host}"

    def command(self) -> list[str]:
        """Serve LDAP alone, with nothing outside the folder."""
        options = {
            "server services": "ldap",
            "interfaces": f"{self.host}/8",
            "bind interfaces only": "yes",
            "ldap server require strong auth": "no",
            "pid directory": f"{self.folder}/run",
            "ncalrpc dir": f"{self.folder}/run/ncalrpc",
            "log file": f"{self.folder}/samba.log",
            "tls keyfile": f"{self.folder}/server.key",
            "tls certfile": f"{self.folder}/server.crt",
            "tls cafile": "",
        }
        (self.folder / "run").mkdir(exist_ok=True)
        listed = [f"--option={name}={value}" for name, value in options.items()]
        # One process (-M single), so that it is gone when the keeper stops it.
        return [self.find("samba"), "-F", "-M", "single", "-s", str(self.folder / "etc" / "smb.conf"), *listed]

    def check(self) -> None:
        """Bind over TLS."""
        bound(f"ldaps://{self.host}", self.user, self.password).unbind()

    def server(self, pid: int) -> Server:
        """Describe the running server by its own address."""
        found = super().server(pid)
        return Server(**{**vars(found), "host": self.host})
