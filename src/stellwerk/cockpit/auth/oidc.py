"""Types OIDC and OIDC-JOC: the authorization code flow with PKCE (OpenID Connect Core 3.1, RFC 7636).

The browser makes state, nonce and code verifier, goes to the provider and comes back with a code. The Cockpit exchanges
the code for an id token over its own connection to the provider, and checks it (`id_tokens`). Redirects are not
followed, answers are limited in size and time.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, NoReturn
from urllib.parse import quote

import aiohttp
import msgspec
import structlog

from stellwerk.cockpit.api.errors import ApiError
from stellwerk.cockpit.auth.credentials import Credentials, LoginRefused, Proven
from stellwerk.cockpit.auth.id_tokens import TokenRefused, read_id_token
from stellwerk.cockpit.auth.oidc_settings import OidcSettings, is_safe_url, read_oidc_settings
from stellwerk.cockpit.auth.service_settings import ServiceSettings
from stellwerk.cockpit.auth.services import IdentityService
from stellwerk.cockpit.auth.turns import Turns
from stellwerk.effects.clock import Clock
from stellwerk.wire.tls import TlsError, TlsOptions, client_context

#: Logins at providers at the same time.
CONNECTIONS = 10
ANSWER_SECONDS = 15.0
MAXIMUM_ANSWER_BYTES = 1_000_000
#: What a provider says of itself is good for so long.
DISCOVERY_SECONDS = 60.0
_logger = structlog.get_logger(__name__)


class _Unusable(Exception):
    """The provider cannot be asked, or answers what it must not; says why, for the log."""


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """What a browser needs to go to the provider; nothing of it is secret."""

    title: str
    client_id: str
    authorization_url: str
    scopes: tuple[str, ...]


class OidcVerifier:
    """Types OIDC (no accounts here, groups stand for roles) and OIDC-JOC."""

    def __init__(self, settings: ServiceSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._turns = Turns(CONNECTIONS)
        #: What providers say of themselves, by issuer: (monotonic instant, document).
        self._discovered: dict[str, tuple[float, dict[str, Any]]] = {}

    async def verify(self, service: IdentityService, row: Any, credentials: Credentials) -> Proven:
        code = credentials.code
        if code is None:
            raise LoginRefused(
                f"identity service '{service.name}' needs the code with which the provider sends people back "
                "(code, redirect_uri, code_verifier); id tokens are not taken from clients"
            )
        try:
            settings = read_oidc_settings(await self._settings.read(service))
            async with self._turns, _Provider(settings) as provider:
                document = await self._discover(settings, provider)
                tokens = await provider.exchange(document, code)
                claims = await self._checked(settings, provider, document, tokens, code.nonce)
                account, groups = await self._person(settings, provider, document, tokens, claims)
        except TokenRefused as error:
            self._refuse(service, error, f"the provider of identity service '{service.name}' has proven nothing")
        except (_Unusable, ApiError) as error:
            self._refuse(service, error, f"the provider of identity service '{service.name}' cannot be asked now")
        return Proven(account=account, roles=settings.roles_of(groups) if service.maps_roles else None)

    @staticmethod
    def _refuse(service: IdentityService, error: Exception, reason: str) -> NoReturn:
        _logger.warning("a login by OpenID Connect has failed", identity_service=service.name, reason=str(error))
        raise LoginRefused(f"{reason}; the log says why") from None

    async def client(self, service: IdentityService) -> Client:
        """Raises `LoginRefused` if the provider cannot be asked."""
        try:
            settings = read_oidc_settings(await self._settings.read(service))
            async with self._turns, _Provider(settings) as provider:
                document = await self._discover(settings, provider)
        except (_Unusable, ApiError) as error:
            self._refuse(service, error, f"the provider of identity service '{service.name}' cannot be asked now")
        return Client(
            title=settings.title or service.name,
            client_id=settings.client_id,
            authorization_url=document["authorization_endpoint"],
            scopes=settings.scopes,
        )

    async def _discover(self, settings: OidcSettings, provider: _Provider) -> dict[str, Any]:
        now = asyncio.get_running_loop().time()
        known = self._discovered.get(settings.issuer)
        if known is not None and now - known[0] < DISCOVERY_SECONDS:
            return known[1]
        document = await provider.get(settings.discovery_url)
        if str(document.get("issuer", "")).rstrip("/") != settings.issuer.rstrip("/"):
            raise _Unusable(f"{settings.discovery_url} tells of the issuer {document.get('issuer')!r}, not of itself")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not is_safe_url(str(document.get(name, "")).partition("?")[0]):
                raise _Unusable(f"{settings.discovery_url} names no usable {name}")
        # As many as there are services; a former issuer's goes with the process.
        self._discovered[settings.issuer] = (now, document)
        return document

    async def _checked(
        self, settings: OidcSettings, provider: _Provider, document: dict[str, Any], tokens: Any, nonce: str | None
    ) -> dict[str, Any]:
        keys = await provider.get(document["jwks_uri"])
        return await asyncio.to_thread(
            read_id_token,
            str(tokens["id_token"]),
            keys,
            issuer=document["issuer"],
            client_id=settings.client_id,
            nonce=nonce,
            access_token=tokens.get("access_token"),
            now=self._clock.now_ms() // 1000,
        )

    @staticmethod
    async def _person(
        settings: OidcSettings,
        provider: _Provider,
        document: dict[str, Any],
        tokens: Any,
        claims: dict[str, Any],
    ) -> tuple[str, tuple[str, ...]]:
        """Account and groups; what the id token does not tell may be in what the provider says of the person."""
        account, groups = settings.account_in(claims), settings.groups_in(claims)
        if account is None or groups is None:
            more = await provider.about_person(document, tokens)
            if more.get("sub") == claims["sub"]:
                account = account or settings.account_in(more)
                groups = settings.groups_in(more) if groups is None else groups
        if account is None:
            raise TokenRefused(f"nothing tells the account: there is no usable claim '{settings.user_claim}'")
        return account, groups or ()


class _Provider:
    """HTTP with the provider."""

    def __init__(self, settings: OidcSettings) -> None:
        self._settings = settings

    async def __aenter__(self) -> _Provider:
        trust = () if self._settings.trust is None else (self._settings.trust,)
        try:
            context = client_context(TlsOptions(trust=trust, trust_password=self._settings.trust_password))
        except TlsError as error:
            raise _Unusable(str(error)) from error
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context), timeout=timeout)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._session.close()

    async def get(self, url: str, **headers: str) -> dict[str, Any]:
        return await self._ask("GET", url, headers=headers)

    async def exchange(self, document: dict[str, Any], code: Any) -> dict[str, Any]:
        """The tokens for a code (RFC 6749, 4.1.3)."""
        settings = self._settings
        fields = {
            "grant_type": "authorization_code",
            "code": code.code,
            "redirect_uri": code.redirect_uri,
            "code_verifier": code.code_verifier,
        }
        headers = {}
        methods = document.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if settings.client_secret and "client_secret_basic" in methods:
            # Both are form-encoded before they are put together (RFC 6749, 2.3.1).
            client_id, secret = quote(settings.client_id, safe=""), quote(settings.client_secret, safe="")
            headers["Authorization"] = aiohttp.encode_basic_auth(client_id, secret)
        else:
            fields["client_id"] = settings.client_id
            if settings.client_secret:
                fields["client_secret"] = settings.client_secret
        tokens = await self._ask("POST", document["token_endpoint"], data=fields, headers=headers)
        if not isinstance(tokens.get("id_token"), str):
            raise TokenRefused(f"the provider gives no id token: {_brief(tokens.get('error'))}")
        return tokens

    async def about_person(self, document: dict[str, Any], tokens: dict[str, Any]) -> dict[str, Any]:
        url, token = str(document.get("userinfo_endpoint", "")), tokens.get("access_token")
        if not is_safe_url(url) or not isinstance(token, str):
            return {}
        return await self.get(url, Authorization=f"Bearer {token}")

    async def _ask(self, method: str, url: str, **options: Any) -> dict[str, Any]:
        try:
            async with self._session.request(method, url, allow_redirects=False, **options) as response:
                content = await response.content.read(MAXIMUM_ANSWER_BYTES + 1)
                while len(content) <= MAXIMUM_ANSWER_BYTES and not response.content.at_eof():
                    content += await response.content.read(MAXIMUM_ANSWER_BYTES + 1)
                status = response.status
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _Unusable(f"{method} {url}: {type(error).__name__}: {error}") from error
        if len(content) > MAXIMUM_ANSWER_BYTES:
            raise _Unusable(f"{method} {url} answers more than {MAXIMUM_ANSWER_BYTES} bytes")
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise _Unusable(f"{method} {url} answers {status} without a JSON object")
        if 400 <= status < 500 and method == "POST":
            raise TokenRefused(f"the provider refuses the code: {_brief(answer.get('error'))}")
        if status != 200:
            raise _Unusable(f"{method} {url} answers {status}: {_brief(answer.get('error'))}")
        return answer


def _brief(value: Any) -> str:
    return repr(value)[:200]
