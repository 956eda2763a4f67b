"""A real OpenID Connect provider of a test, built with Authlib: authorization code flow, PKCE required, RS256.

Whoever comes to its authorization endpoint is logged in as `person` at once and sent back, as by a provider at which
one is logged in already. `alter` changes what it signs, to see what a Cockpit says of tokens that are not right.
"""

from __future__ import annotations

import base64
import hmac
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Error, OAuth2Request
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import OpenIDCode
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID, SECRET = "stellwerk cockpit", "secret/of the client"


class _Client:
    def __init__(self, provider: OidcProvider) -> None:
        self._provider = provider
        self.client_id = CLIENT_ID

    def get_client_id(self) -> str:
        return CLIENT_ID

    def get_default_redirect_uri(self) -> str | None:
        return None

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self._provider.redirect_uris

    def check_client_secret(self, secret: str) -> bool:
        return secret == SECRET

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in ("client_secret_basic", "client_secret_post")

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


class _Code:
    """What is kept of an authorization request until the code comes back; good once."""

    def __init__(self, code: str, request: OAuth2Request) -> None:
        data = request.payload.data
        self.code = code
        self.user = request.user
        self._redirect_uri: str | None = data.get("redirect_uri")
        self._scope: str | None = data.get("scope")
        self._nonce: str | None = data.get("nonce")
        self.code_challenge = data.get("code_challenge")
        self.code_challenge_method = data.get("code_challenge_method")

    def get_redirect_uri(self) -> str | None:
        return self._redirect_uri

    def get_scope(self) -> str | None:
        return self._scope

    def get_nonce(self) -> str | None:
        return self._nonce

    def get_auth_time(self) -> int:
        return int(time.time())

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


class _Request(OAuth2Request):  # type: ignore[misc]
    def __init__(self, method: str, url: str, headers: dict[str, str], form: dict[str, str]) -> None:
        super().__init__(method, url, headers=headers)
        self._form = form
        self._args = dict(parse_qsl(urlsplit(url).query))
        self.payload = BasicOAuth2Payload({**self._args, **form})

    @property
    def args(self) -> dict[str, str]:
        return self._args

    @property
    def form(self) -> dict[str, str]:
        return self._form


class _Server(AuthorizationServer):  # type: ignore[misc]
    def __init__(self, provider: OidcProvider) -> None:
        super().__init__()
        self.provider = provider
        self.codes: dict[str, _Code] = {}
        self.tokens: dict[str, dict[str, Any]] = {}

    def query_client(self, client_id: str) -> _Client | None:
        return _Client(self.provider) if client_id == CLIENT_ID else None

    def save_token(self, token: dict[str, Any], request: OAuth2Request) -> None:
        self.tokens[token["access_token"]] = request.user

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        pass

    def create_oauth2_request(self, request: _Request) -> _Request:
        return request

    def handle_response(self, status: int, body: Any, headers: Any) -> tuple[int, Any, Any]:
        return status, body, headers


class _CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]

    def save_authorization_code(self, code: str, request: OAuth2Request) -> None:
        self.server.codes[code] = _Code(code, request)

    def query_authorization_code(self, code: str, client: _Client) -> _Code | None:
        found: _Code | None = self.server.codes.get(code)
        return found

    def delete_authorization_code(self, authorization_code: _Code) -> None:
        self.server.codes.pop(authorization_code.code, None)

    def authenticate_user(self, authorization_code: _Code) -> dict[str, Any]:
        user: dict[str, Any] = authorization_code.user
        return user


class _IdToken(OpenIDCode):  # type: ignore[misc]
    def __init__(self, provider: OidcProvider) -> None:
        super().__init__()
        self._provider = provider

    def exists_nonce(self, nonce: str, request: OAuth2Request) -> bool:
        return False

    def encode_id_token(self, token: dict[str, Any], request: OAuth2Request) -> str:
        now = int(time.time())
        claims = {"iss": self._provider.url, "aud": [CLIENT_ID], "iat": now, "exp": now + 300}
        claims |= self.get_authorization_code_claims(request.authorization_code)
        claims |= {name: value for name, value in request.user.items() if name not in self._provider.only_in_userinfo}
        header, claims, key = self._provider.alter({"alg": "RS256", "kid": "one"}, claims, self._provider.key)
        if isinstance(key, bytes):
            return _signed_by_hand(header, claims, key)
        return jwt.encode(header, claims, key, [header["alg"]])


def _signed_by_hand(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    """HS256 with any secret, or nothing with an empty one: what a library refuses to do."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    signature = hmac.digest(secret, b".".join(parts), "sha256") if secret else b""
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


class OidcProvider:
    """`start`, then `url`; people are sent back to `redirect_uris` only."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "one"})
        self.person: dict[str, Any] = {"sub": "1", "preferred_username": "anna", "groups": ["operators"]}
        self.redirect_uris: list[str] = []
        self.only_in_userinfo: tuple[str, ...] = ()
        self.alter: Callable[[dict[str, Any], dict[str, Any], Any], tuple[Any, Any, Any]] = lambda *parts: parts
        self._server = _Server(self)
        self._server.register_grant(_CodeGrant, [CodeChallenge(required=True), _IdToken(self)])
        self._server.register_token_generator(
            "default", BearerTokenGenerator(lambda *a, **k: f"token {time.time_ns()}")
        )
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._send(*provider._get(self.path, dict(self.headers)))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self._send(*provider._post(self.path, dict(self.headers), dict(parse_qsl(body))))

            def _send(self, status: int, body: Any, headers: Any) -> None:
                content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def start(self) -> None:
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def _get(self, path: str, headers: dict[str, str]) -> tuple[int, Any, Any]:
        route = urlsplit(path).path
        if route == "/.well-known/openid-configuration":
            names = {"authorization": "/authorize", "token": "/token", "userinfo": "/userinfo"}
            document = {f"{name}_endpoint": self.url + place for name, place in names.items()}
            document |= {"issuer": self.url, "jwks_uri": f"{self.url}/jwks"}
            return 200, document, []
        if route == "/jwks":
            return 200, {"keys": [self.key.as_dict(private=False)]}, []
        if route == "/userinfo":
            person = self._server.tokens.get(headers.get("Authorization", "").removeprefix("Bearer "))
            return (401, {"error": "invalid_token"}, []) if person is None else (200, person, [])
        if route == "/authorize":
            request = _Request("GET", self.url + path, headers, {})
            try:
                grant = self._server.get_consent_grant(request, self.person)
            except OAuth2Error as error:
                return 400, {"error": error.error, "error_description": error.description}, []
            answer: tuple[int, Any, Any] = self._server.create_authorization_response(request, self.person, grant)
            return answer
        return 404, {}, []

    def _post(self, path: str, headers: dict[str, str], form: dict[str, str]) -> tuple[int, Any, Any]:
        request = _Request("POST", self.url + path, headers, form)
        answer: tuple[int, Any, Any] = self._server.create_token_response(request)
        return answer
