"""Settings of identity services of the types OIDC and OIDC-JOC (cockpit-services 7.1), and what they say. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from stellwerk.cockpit.api.decoding import Reader, RequestError
from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.auth.trust_stores import trust_store

CODE_FLOW = "AUTHENTICATION"
_DISCOVERY = "/.well-known/openid-configuration"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class _GroupRoles(msgspec.Struct):
    oidcGroup: str
    roles: list[str] = []


class _GroupRolesMap(msgspec.Struct):
    items: list[_GroupRoles] = []


class _Document(msgspec.Struct):
    iamOidcClientId: str = ""
    iamOidcClientSecret: str = ""
    iamOidcAuthenticationUrl: str = ""
    iamOidcName: str = ""
    iamOidcUserAttribute: str = "preferred_username"
    iamOidcFlowType: str = CODE_FLOW
    iamOidcGroupScopes: list[str] = []
    iamOidcGroupClaims: list[str] = []
    iamOidcGroupRolesMap: _GroupRolesMap = msgspec.field(default_factory=_GroupRolesMap)
    iamOidcTruststorePath: str = ""
    iamOidcTruststorePassword: str = ""
    iamOidcTruststoreType: str = ""


_reader = Reader(_Document)


class OidcSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One provider: where it is, who we are there, what its tokens say of accounts and roles."""

    issuer: str
    client_id: str
    client_secret: str
    #: What people see on the button.
    title: str
    user_claim: str
    scopes: tuple[str, ...]
    group_claims: tuple[str, ...]
    group_roles: tuple[tuple[str, tuple[str, ...]], ...]
    trust: Path | None
    trust_password: str | None

    @property
    def discovery_url(self) -> str:
        return self.issuer.rstrip("/") + _DISCOVERY

    def groups_in(self, claims: Mapping[str, Any]) -> tuple[str, ...] | None:
        """The groups that claims name; None: they have none of the claims that would."""
        found: list[str] | None = None
        for name in self.group_claims:
            value = _claim(claims, name)
            if isinstance(value, str):
                value = value.split()
            if isinstance(value, list):
                found = [*(found or []), *(one for one in value if isinstance(one, str))]
        return None if found is None else tuple(found)

    def roles_of(self, groups: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(role for group, roles in self.group_roles if group in groups for role in roles))

    def account_in(self, claims: Mapping[str, Any]) -> str | None:
        """The account that claims name. An e-mail address that the provider has not verified is none."""
        value = _claim(claims, self.user_claim)
        if self.user_claim == "email" and claims.get("email_verified") is False:
            return None
        return value if isinstance(value, str) and value.strip() else None


def read_oidc_settings(document: Any) -> OidcSettings:
    """From the JSON of the configuration (with or without its outer `oidc`); raises `BadRequest`."""
    if isinstance(document, dict) and isinstance(document.get("oidc"), dict):
        document = document["oidc"]
    try:
        read = _reader.read(document)
    except RequestError as error:
        raise BadRequest(f"settings of an OIDC service: {error}") from None
    if not read.iamOidcClientId:
        raise BadRequest("an OIDC service needs iamOidcClientId: the name under which the provider knows this Cockpit")
    if read.iamOidcFlowType.upper() != CODE_FLOW:
        raise BadRequest(
            f"iamOidcFlowType {read.iamOidcFlowType} is not available: use {CODE_FLOW}, the authorization code flow"
        )
    issuer = read.iamOidcAuthenticationUrl.strip().removesuffix(_DISCOVERY)
    if not is_safe_url(issuer):
        raise BadRequest(
            f"iamOidcAuthenticationUrl '{issuer}' must be the provider's https address (http on this machine only)"
        )
    return OidcSettings(
        issuer=issuer,
        client_id=read.iamOidcClientId,
        client_secret=read.iamOidcClientSecret,
        title=read.iamOidcName,
        user_claim=read.iamOidcUserAttribute or "preferred_username",
        scopes=tuple(dict.fromkeys(["openid", "profile", "email", *read.iamOidcGroupScopes])),
        group_claims=tuple(read.iamOidcGroupClaims) or ("groups",),
        group_roles=tuple((item.oidcGroup, tuple(item.roles)) for item in read.iamOidcGroupRolesMap.items),
        trust=trust_store(read.iamOidcTruststorePath, read.iamOidcTruststoreType),
        trust_password=read.iamOidcTruststorePassword or None,
    )


def is_safe_url(url: str) -> bool:
    """Secrets may go there: https, or http on this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    if not host or parts.username is not None or parts.query or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, or by its path: `realm_access.roles`."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
