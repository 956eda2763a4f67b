"""Types LDAP and LDAP-JOC: a directory checks the password by a bind, and may say which groups somebody is in.

An empty password never reaches the directory: it would take that for an anonymous bind and say yes (RFC 4513, 5.1.2).
Referrals are not followed, for they would carry the password to other servers. ldap3 blocks, so it runs in a few
threads of its own: a directory that is slow holds up logins through itself only.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal

import structlog

from stellwerk.cockpit.api.errors import ApiError
from stellwerk.cockpit.auth.credentials import WRONG, Credentials, LoginRefused, Proven
from stellwerk.cockpit.auth.ldap_settings import (
    SSL,
    STARTTLS,
    LdapSettings,
    first_value,
    groups_naming,
    read_ldap_settings,
    same_account,
)
from stellwerk.cockpit.auth.service_settings import ServiceSettings
from stellwerk.cockpit.auth.services import IdentityService
from stellwerk.cockpit.auth.turns import Turns
from stellwerk.wire.tls import TlsError, TlsOptions, client_context

if TYPE_CHECKING:
    import ldap3

#: Logins at directories at the same time.
THREADS = 4
#: Groups of groups are followed up to that many.
MAXIMUM_GROUPS = 1000
_logger = structlog.get_logger(__name__)


class _Wrong(Exception):
    """The directory does not know the account, or refuses the password."""


class _Unusable(Exception):
    """The directory cannot be asked, or does not answer as configured; says why, for the log."""


class LdapVerifier:
    """Types LDAP (no accounts here, groups stand for roles) and LDAP-JOC."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._threads: ThreadPoolExecutor | None = None
        self._turns = Turns(THREADS)

    async def verify(self, service: IdentityService, row: Any, credentials: Credentials) -> Proven:
        account, password = credentials.account, credentials.password
        if not account.strip() or not account.isprintable() or not password or "\0" in password:
            raise LoginRefused(WRONG)
        self._threads = self._threads or ThreadPoolExecutor(THREADS, thread_name_prefix="ldap")
        try:
            settings = read_ldap_settings(await self._settings.read(service))
            async with self._turns:
                return await asyncio.get_running_loop().run_in_executor(
                    self._threads, _login, settings, account, password, service.maps_roles
                )
        except _Wrong:
            raise LoginRefused(WRONG) from None
        except (_Unusable, ApiError) as error:
            _logger.warning("an LDAP identity service is not usable", identity_service=service.name, reason=str(error))
            raise LoginRefused(
                f"the directory of identity service '{service.name}' cannot be asked now; the log says why"
            ) from None


def _login(settings: LdapSettings, account: str, password: str, maps_roles: bool) -> Proven:
    """Blocks. Raises `_Wrong` and `_Unusable`."""
    from ldap3.core.exceptions import LDAPException

    try:
        with contextlib.ExitStack() as stack:
            if settings.system_user:
                searching = stack.enter_context(_system_connection(settings))
                person = _find(settings, searching, account)
                stack.enter_context(_bound(settings, person.entry_dn, password))
            else:
                try:
                    name = settings.user_dn(account)
                except ValueError:
                    raise _Wrong from None
                searching = stack.enter_context(_bound(settings, name, password))
                person = _read(settings, searching, name, account)
            spelled = _spelling(settings, person, account)
            groups = _groups(settings, searching, person, account, spelled) if maps_roles else []
    except (LDAPException, OSError) as error:
        raise _Unusable(f"{type(error).__name__}: {error}") from error
    return Proven(account=spelled, roles=settings.roles_of(groups) if maps_roles else None)


class _Person:
    """An entry: its name and attributes as the directory spells them."""

    def __init__(self, entry_dn: str, attributes: dict[str, list[str]]) -> None:
        self.entry_dn = entry_dn
        self._attributes = {name.lower(): values for name, values in attributes.items()}

    def values(self, attribute: str) -> list[str]:
        return self._attributes.get(attribute.lower(), [])


@contextlib.contextmanager
def _system_connection(settings: LdapSettings) -> Iterator[ldap3.Connection]:
    """A password of the system user that is wrong is a fault of the settings, not of who logs in."""
    try:
        with contextlib.ExitStack() as stack:
            connection = stack.enter_context(_bound(settings, settings.system_user, settings.system_password))
            kept = stack.pop_all()
    except _Wrong:
        raise _Unusable(f"the directory refuses iamLdapSystemUser '{settings.system_user}'") from None
    with kept:
        yield connection


@contextlib.contextmanager
def _bound(settings: LdapSettings, name: str, password: str) -> Iterator[ldap3.Connection]:
    """A connection on which `name` has proven the password."""
    import ldap3
    from ldap3.core.exceptions import LDAPException

    server = ldap3.Server(
        settings.host,
        settings.port,
        use_ssl=settings.protocol == SSL,
        tls=_tls(settings) if settings.protocol in (SSL, STARTTLS) else None,
        get_info=ldap3.NONE,
        connect_timeout=settings.connect_seconds,
    )
    connection = ldap3.Connection(
        server,
        user=name,
        password=password,
        authentication=ldap3.SIMPLE,
        auto_referrals=False,
        check_names=False,
        receive_timeout=math.ceil(settings.read_seconds),
        read_only=True,
    )
    try:
        connection.open()
        if settings.protocol == STARTTLS:
            connection.start_tls()
        if not connection.bind():
            result = connection.result
            if result["description"] in ("invalidCredentials", "invalidDNSyntax", "noSuchObject"):
                raise _Wrong
            raise _Unusable(f"bind: {result['description']} {result['message']}".strip())
        yield connection
    finally:
        # What became of the login is known by then: a connection that ends in another way changes nothing.
        with contextlib.suppress(OSError, LDAPException):
            connection.unbind()


def _tls(settings: LdapSettings) -> ldap3.Tls:
    import ldap3

    trust = () if settings.trust is None else (settings.trust,)
    try:
        context = client_context(TlsOptions(trust=trust, trust_password=settings.trust_password))
    except TlsError as error:
        raise _Unusable(str(error)) from error
    context.check_hostname = settings.verifies_host_name

    class Tls(ldap3.Tls):
        """The same verification as everywhere: ldap3's own does not know PKCS#12, nor addresses in certificates."""

        def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
            connection.socket = context.wrap_socket(
                connection.socket, server_hostname=settings.host, do_handshake_on_connect=do_handshake
            )

    return Tls(validate=ssl.CERT_REQUIRED)


def _find(settings: LdapSettings, connection: ldap3.Connection, account: str) -> _Person:
    found = _search(settings, connection, settings.search_base, settings.user_filter(account), limit=2)
    if len(found) != 1:
        # Two of one name: nobody can say who it is.
        raise _Wrong if not found else _Unusable(f"{settings.user_filter(account)} finds several people")
    return found[0]


def _read(settings: LdapSettings, connection: ldap3.Connection, name: str, account: str) -> _Person:
    """The own entry of who has bound, as far as it may be read."""
    if first_value(name) is not None:
        found = _search(settings, connection, name, "(objectClass=*)", scope="BASE")
        return found[0] if found else _Person(name, {})
    return _find(settings, connection, account) if settings.search_base else _Person(name, {})


def _spelling(settings: LdapSettings, person: _Person, account: str) -> str:
    """The account as the directory spells it: `Anna` and `anna` are one, so they must not be two here."""
    known = [*person.values(settings.user_attribute)] if settings.user_attribute else []
    first = first_value(person.entry_dn)
    known += [] if first is None else [first]
    return next((one for one in known if same_account(one, account)), account.strip().casefold())


def _groups(
    settings: LdapSettings, connection: ldap3.Connection, person: _Person, account: str, spelled: str
) -> list[str]:
    """Names and distinguished names of all groups that somebody is in, also through other groups."""
    if settings.reads_groups_of_person:
        groups = person.values(settings.group_attribute)
        dns = list(groups)
    else:
        known = person.values(settings.user_attribute) if settings.user_attribute else []
        typed_filter = settings.group_filter(account, known[0] if known else spelled, person.entry_dn)
        found = _search(settings, connection, settings.group_base, typed_filter)
        dns = [group.entry_dn for group in found]
        groups = [*dns, *(value for group in found for value in group.values(settings.group_attribute))]
    if settings.follows_nested_groups and settings.group_base:
        seen = set(dns)
        while dns and len(seen) < MAXIMUM_GROUPS:
            outer = _search(settings, connection, settings.group_base, f"(|{groups_naming(dns.pop())})")
            for group in outer:
                if group.entry_dn not in seen:
                    seen.add(group.entry_dn)
                    dns.append(group.entry_dn)
                    groups += [group.entry_dn]
                    groups += [] if settings.reads_groups_of_person else group.values(settings.group_attribute)
    return groups


def _search(
    settings: LdapSettings,
    connection: ldap3.Connection,
    base: str,
    text: str,
    *,
    scope: Literal["BASE", "SUBTREE"] = "SUBTREE",
    limit: int = 0,
) -> list[_Person]:
    wanted = [name for name in (settings.user_attribute, settings.group_attribute) if name]
    connection.search(base, text, scope, attributes=wanted, size_limit=limit)
    result = connection.result["description"]
    if result not in ("success", "noSuchObject", "sizeLimitExceeded", "insufficientAccessRights"):
        raise _Unusable(f"search of {text} below '{base}': {result} {connection.result['message']}".strip())
    return [
        _Person(entry["dn"], {name: _texts(values) for name, values in entry["raw_attributes"].items()})
        for entry in connection.response or ()
        if entry["type"] == "searchResEntry"
    ]


def _texts(values: list[bytes]) -> list[str]:
    return [value.decode("utf-8", "replace") for value in values]
