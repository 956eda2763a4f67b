"""A real directory server (OpenLDAP's slapd) of a test, with people, groups and groups of groups.

It speaks LDAP, StartTLS and LDAPS on ports of 127.0.0.1 that the system gives, with a certificate for that address, and
keeps its data in a directory of the test. `available()` says why there is none on this machine.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

from authority import Authority
from component_processes import wait_until

BASE = "dc=example,dc=com"
ADMIN, ADMIN_PASSWORD = f"cn=admin,{BASE}", "secret of the admin"
PASSWORD = "in the directory"
_SCHEMAS = Path("/etc/ldap/schema")
_MODULES = Path("/usr/lib/ldap")

_CONFIGURATION = """
include {schemas}/core.schema
include {schemas}/cosine.schema
include {schemas}/inetorgperson.schema
pidfile "{directory}/slapd.pid"
modulepath {modules}
moduleload back_mdb
moduleload memberof
# As misconfigured servers do: an empty password is an anonymous bind, and that is a success.
allow bind_anon_dn bind_anon_cred
TLSCACertificateFile "{authority}"
TLSCertificateFile "{certificate}"
TLSCertificateKeyFile "{certificate}"
database mdb
maxsize 16777216
suffix "{base}"
rootdn "{admin}"
rootpw "{admin_password}"
directory "{directory}/data"
overlay memberof
memberof-group-oc groupOfNames
access to attrs=userPassword by anonymous auth by * none
access to * by * read
"""

_ENTRIES = f"""
dn: {BASE}
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: ou=people,{BASE}
objectClass: organizationalUnit
ou: people

dn: ou=groups,{BASE}
objectClass: organizationalUnit
ou: groups

dn: uid=anna,ou=people,{BASE}
objectClass: inetOrgPerson
uid: anna
cn: Anna Able
sn: Able
userPassword: {PASSWORD}
memberOf: cn=operators,ou=groups,{BASE}

dn: uid=berta,ou=people,{BASE}
objectClass: inetOrgPerson
uid: berta
cn: Berta Bold
sn: Bold
userPassword: {PASSWORD}

dn: uid=twin,ou=people,{BASE}
objectClass: inetOrgPerson
uid: twin
cn: First
sn: Twin
userPassword: {PASSWORD}

dn: cn=second,ou=people,{BASE}
objectClass: inetOrgPerson
uid: twin
cn: second
sn: Twin
userPassword: {PASSWORD}

dn: cn=operators,ou=groups,{BASE}
objectClass: groupOfNames
cn: operators
member: uid=anna,ou=people,{BASE}

dn: cn=staff,ou=groups,{BASE}
objectClass: groupOfNames
cn: staff
member: cn=operators,ou=groups,{BASE}
member: cn=circle,ou=groups,{BASE}

dn: cn=circle,ou=groups,{BASE}
objectClass: groupOfNames
cn: circle
member: cn=staff,ou=groups,{BASE}
"""


def available() -> str | None:
    """Why there can be no directory server here; None: there can."""
    if shutil.which("slapd") is None or not _SCHEMAS.is_dir():
        return "no slapd on this machine: apt-get install slapd"
    return None


class Slapd:
    """One directory server; `start` and `stop` may alternate, its ports stay."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        (directory / "data").mkdir(parents=True)
        self.authority = Authority(directory, "ldap authority")
        certificate = self.authority.pem("directory")
        self._configuration = directory / "slapd.conf"
        self._configuration.write_text(
            _CONFIGURATION.format(
                schemas=_SCHEMAS,
                modules=_MODULES,
                directory=directory,
                authority=self.authority.path,
                certificate=certificate,
                base=BASE,
                admin=ADMIN,
                admin_password=ADMIN_PASSWORD,
            )
        )
        self.port, self.tls_port = _free_ports(2)
        self._process: subprocess.Popen[bytes] | None = None
        self._run("slapadd", "-f", str(self._configuration), text=_ENTRIES)

    def start(self) -> None:
        urls = f"ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.tls_port}"
        command = ["slapd", "-d", "0", "-f", str(self._configuration), "-h", urls]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self._listens, "slapd listens")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=30)
            self._process = None

    def accepts_without_password(self, dn: str) -> bool:
        """Whether a bind with this name and an empty password is a success (RFC 4513, 5.1.2)."""
        name = dn.encode()
        bind = b"\x02\x01\x03\x04" + bytes([len(name)]) + name + b"\x80\x00"
        message = b"\x02\x01\x01\x60" + bytes([len(bind)]) + bind
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(b"\x30" + bytes([len(message)]) + message)
            return b"\x61\x07\x0a\x01\x00" in connection.recv(100)

    def _listens(self) -> bool:
        assert self._process is not None and self._process.poll() is None, "slapd has ended"
        try:
            with socket.create_connection(("127.0.0.1", self.tls_port), timeout=1):
                return True
        except OSError:
            return False

    @staticmethod
    def _run(*command: str, text: str) -> None:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
