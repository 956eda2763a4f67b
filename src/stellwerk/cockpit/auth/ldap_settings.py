"""Settings of identity services of the types LDAP and LDAP-JOC (cockpit-services 7.1), and what they say. Pure.

What is said under `expert` holds; what it leaves open follows from `simple`. Names of people get into search filters
and distinguished names only through `user_dn`, `user_filter` and `group_filter`, which escape them (RFC 4514, 4515).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from stellwerk.cockpit.api.decoding import Reader, RequestError
from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.auth.trust_stores import trust_store

PLAIN, STARTTLS, SSL = "PLAIN", "STARTTLS", "SSL"
_PORTS = {PLAIN: 389, STARTTLS: 389, SSL: 636}
_URL = re.compile(r"(ldaps?)://(\[[0-9a-fA-F:.]+\]|[^/:\[\]]+)(?::(\d{1,5}))?/?", re.IGNORECASE)
#: Where the account's name stands in a template: `{0}` and `^s`: as it was typed; `%s`: as the directory spells it.
_PLACEHOLDER = re.compile(r"\{0\}|\^s|%s")
_DEFAULT_FILTER = "(uid=%s)"
_ACTIVE_DIRECTORY_FILTER = "(sAMAccountName=%s)"


class _Simple(msgspec.Struct):
    iamLdapHost: str = ""
    iamLdapPort: int | None = None
    iamLdapProtocol: str = PLAIN
    iamLdapAD: bool = False
    iamLdapADwithSamAccount: bool = False
    iamLdapWithMemberOf: bool = False


class _GroupRoles(msgspec.Struct):
    ldapGroupDn: str
    roles: list[str] = []


class _GroupRolesMap(msgspec.Struct):
    iamLdapDisableNestedGroupSearch: bool = False
    items: list[_GroupRoles] = []


class _Expert(msgspec.Struct):
    iamLdapServerUrl: str = ""
    iamLdapUserDnTemplate: str = ""
    iamLdapSearchBase: str = ""
    iamLdapUserNameAttribute: str = ""
    iamLdapUserSearchFilter: str = ""
    iamLdapGroupSearchBase: str = ""
    iamLdapGroupNameAttribute: str = ""
    iamLdapGroupSearchFilter: str = ""
    iamLdapGroupRolesMap: _GroupRolesMap = msgspec.field(default_factory=_GroupRolesMap)
    iamLdapUseStartTls: bool = False
    iamLdapSecurityProtocol: str = ""
    iamLdapHostNameVerification: str = ""
    iamLdapTruststorePath: str = ""
    iamLdapTruststorePassword: str = ""
    iamLdapTruststoreType: str = ""
    iamLdapReadTimeout: int = 10_000
    iamLdapConnectTimeout: int = 10_000
    iamLdapSystemUser: str = ""
    iamLdapSystemPassword: str = ""
    iamLdapSysemUserDnTemplate: str = ""


class _Document(msgspec.Struct):
    simple: _Simple = msgspec.field(default_factory=_Simple)
    expert: _Expert = msgspec.field(default_factory=_Expert)


_reader = Reader(_Document)


class LdapSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One directory: how to reach it, how to find people and their groups, which roles groups stand for."""

    host: str
    port: int
    #: PLAIN, STARTTLS or SSL.
    protocol: str
    trust: Path | None
    trust_password: str | None
    verifies_host_name: bool
    connect_seconds: float
    read_seconds: float
    system_user: str
    system_password: str
    user_template: str
    search_base: str
    user_search_filter: str
    user_attribute: str
    group_base: str
    group_search_filter: str
    #: With groups searched for: the attribute of a group that tells its name; else that of a person: its groups.
    group_attribute: str
    reads_groups_of_person: bool
    follows_nested_groups: bool
    #: (group, roles)
    group_roles: tuple[tuple[str, tuple[str, ...]], ...]

    def user_dn(self, account: str) -> str:
        """The name with which `account` binds."""
        if "=" in self.user_template:
            return _filled(self.user_template, account, account, _in_dn)
        # `{0}@corp.example`, `CORP\{0}`: not a distinguished name, so one that is typed must not become one.
        if set(account) & set('=,;+"<>\\@'):
            raise ValueError("the account has characters that the user DN template cannot take")
        return _filled(self.user_template, account, account, str)

    def user_filter(self, account: str) -> str:
        from ldap3.utils.conv import escape_filter_chars

        return _filled(self.user_search_filter, account, account, escape_filter_chars)

    def group_filter(self, account: str, spelled: str, dn: str) -> str:
        """Groups of a person; without a filter of its own: those that name the person's DN or account."""
        from ldap3.utils.conv import escape_filter_chars

        if self.group_search_filter:
            return _filled(self.group_search_filter, account, spelled, escape_filter_chars)
        return f"(|{groups_naming(dn)}(memberUid={escape_filter_chars(spelled)}))"

    def roles_of(self, groups: Iterable[str]) -> tuple[str, ...]:
        """The roles for which these groups (names, or distinguished names) stand, in the order of the settings."""
        held = {comparable(group) for group in groups}
        return tuple(
            dict.fromkeys(role for group, roles in self.group_roles if comparable(group) in held for role in roles)
        )


def read_ldap_settings(document: Any) -> LdapSettings:
    """From the JSON of the configuration (with or without its outer `ldap`); raises `BadRequest`."""
    if isinstance(document, dict) and isinstance(document.get("ldap"), dict):
        document = document["ldap"]
    try:
        read = _reader.read(document)
    except RequestError as error:
        raise BadRequest(f"settings of an LDAP service: {error}") from None
    simple, expert = read.simple, read.expert
    host, port, protocol = _server(simple, expert)
    is_active_directory = simple.iamLdapAD
    user_template = expert.iamLdapUserDnTemplate or "{0}"
    user_filter = expert.iamLdapUserSearchFilter or (
        _ACTIVE_DIRECTORY_FILTER if is_active_directory or simple.iamLdapADwithSamAccount else _DEFAULT_FILTER
    )
    reads_groups_of_person = simple.iamLdapWithMemberOf or not expert.iamLdapGroupSearchBase
    for name in ("iamLdapUserDnTemplate", "iamLdapUserSearchFilter"):
        given = getattr(expert, name)
        if given and _PLACEHOLDER.search(given) is None:
            raise BadRequest(f"{name} '{given}' does not say where the account stands: put {{0}} in its place")
    if expert.iamLdapSystemUser and not expert.iamLdapSystemPassword:
        raise BadRequest("iamLdapSystemUser needs iamLdapSystemPassword: without it the bind would be anonymous")
    if expert.iamLdapSystemUser and not expert.iamLdapSearchBase:
        raise BadRequest("iamLdapSystemUser looks for people: say where, in iamLdapSearchBase")
    system_template = expert.iamLdapSysemUserDnTemplate or "{0}"
    return LdapSettings(
        host=host,
        port=port,
        protocol=protocol,
        trust=trust_store(expert.iamLdapTruststorePath, expert.iamLdapTruststoreType),
        trust_password=expert.iamLdapTruststorePassword or None,
        verifies_host_name=expert.iamLdapHostNameVerification.lower() not in ("false", "off", "no", "0"),
        connect_seconds=_seconds(expert.iamLdapConnectTimeout),
        read_seconds=_seconds(expert.iamLdapReadTimeout),
        system_user=_PLACEHOLDER.sub(lambda _: expert.iamLdapSystemUser, system_template)
        if expert.iamLdapSystemUser
        else "",
        system_password=expert.iamLdapSystemPassword,
        user_template=user_template,
        search_base=expert.iamLdapSearchBase,
        user_search_filter=user_filter,
        user_attribute=expert.iamLdapUserNameAttribute,
        group_base=expert.iamLdapGroupSearchBase or expert.iamLdapSearchBase,
        group_search_filter=expert.iamLdapGroupSearchFilter,
        group_attribute=expert.iamLdapGroupNameAttribute or ("memberOf" if reads_groups_of_person else "cn"),
        reads_groups_of_person=reads_groups_of_person,
        follows_nested_groups=not expert.iamLdapGroupRolesMap.iamLdapDisableNestedGroupSearch,
        group_roles=tuple((item.ldapGroupDn, tuple(item.roles)) for item in expert.iamLdapGroupRolesMap.items),
    )


def groups_naming(dn: str) -> str:
    """The filter of groups that have `dn` as a member."""
    from ldap3.utils.conv import escape_filter_chars

    name = escape_filter_chars(dn)
    return f"(member={name})(uniqueMember={name})"


def comparable(name: str) -> tuple[tuple[str, str], ...] | str:
    """A distinguished name in a form that is the same for all spellings; other text without regard to case."""
    from ldap3.core.exceptions import LDAPInvalidDnError
    from ldap3.utils.dn import parse_dn

    try:
        return tuple((attribute.lower(), _plain(value)) for attribute, value, _ in parse_dn(name, strip=True))
    except LDAPInvalidDnError:
        return _plain(name)


def first_value(dn: str) -> str | None:
    """The value of the innermost part of a distinguished name, as the directory spells it; None: it is no such name."""
    from ldap3.core.exceptions import LDAPInvalidDnError
    from ldap3.utils.dn import parse_dn

    try:
        return _unescaped(parse_dn(dn, strip=True)[0][1])
    except LDAPInvalidDnError:
        return None


def same_account(one: str, other: str) -> bool:
    """Whether a directory takes two spellings for the same name."""
    return _plain(one) == _plain(other)


def _in_dn(text: str) -> str:
    """`text` as a value of a distinguished name (RFC 4514, 2.4); ldap3's own `escape_rdn` writes some that it cannot
    read."""
    escaped = [f"\\{one}" if one in '"#+,;<=>\\' else one for one in text]
    for place in (0, -1):
        if text[place] == " ":
            escaped[place] = "\\20"
    return "".join(escaped)


def _plain(value: str) -> str:
    return " ".join(_unescaped(value).split()).casefold()


def _unescaped(value: str) -> str:
    def replaced(found: re.Match[str]) -> str:
        octets = found["octets"]
        return found["one"] if octets is None else bytes.fromhex(octets.replace("\\", "")).decode("utf-8", "replace")

    return re.sub(r"(?P<octets>(?:\\[0-9a-fA-F]{2})+)|\\(?P<one>.)", replaced, value)


def _filled(template: str, typed: str, spelled: str, escape: Callable[[str], str]) -> str:
    """The template with the account's name, escaped, in all its places at once."""
    return _PLACEHOLDER.sub(lambda found: escape(spelled if found[0] == "%s" else typed), template)


def _server(simple: _Simple, expert: _Expert) -> tuple[str, int, str]:
    """Host, port, protocol."""
    protocol = simple.iamLdapProtocol.upper() or PLAIN
    if expert.iamLdapSecurityProtocol.upper() in ("SSL", "TLS"):
        protocol = SSL
    host, port = simple.iamLdapHost, simple.iamLdapPort
    if expert.iamLdapServerUrl:
        found = _URL.fullmatch(expert.iamLdapServerUrl.strip())
        if found is None:
            raise BadRequest(f"iamLdapServerUrl '{expert.iamLdapServerUrl}' must be like ldaps://host:636")
        host, port = found[2].strip("[]"), int(found[3]) if found[3] else None
        protocol = SSL if found[1].lower() == "ldaps" else PLAIN if protocol == SSL else protocol
    if expert.iamLdapUseStartTls and protocol != SSL:
        protocol = STARTTLS
    if protocol not in _PORTS:
        raise BadRequest(f"iamLdapProtocol '{protocol}' must be one of {', '.join(_PORTS)}")
    if not host:
        raise BadRequest("an LDAP service needs iamLdapHost (simple) or iamLdapServerUrl (expert)")
    if port is not None and not 0 < port < 65536:
        raise BadRequest(f"{port} is no port")
    return host, port or _PORTS[protocol], protocol


def _seconds(milliseconds: int) -> float:
    if not 0 < milliseconds <= 60_000:
        raise BadRequest(f"a time-out of an LDAP service must be from 1 to 60000 ms, not {milliseconds}")
    return milliseconds / 1000
