"""Who asks, and may they? (journal spec 2.1, 2.2, 2.6); the routes `.../session`.

A request tells its user by a session token, HTTP Basic credentials, a client certificate, or not at all; those that
are given must agree. A wrong password is answered after a delay that holds up nobody else.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
from typing import TYPE_CHECKING

import msgspec

from stellwerk.values.problems import Problem, ProblemError
from stellwerk.wire.distinguished_names import certificate_subject
from stellwerk.wire.request import Request
from stellwerk.wire.responses import ACCEPTED, HttpError, Response
from stellwerk.wire.sessions import Session, SessionRegister
from stellwerk.wire.users import ANONYMOUS, SYSTEM, Permission, User, Users

if TYPE_CHECKING:
    from stellwerk.wire.router import Router

logger = logging.getLogger(__name__)

#: The version of the emulated series that nodes announce at login.
JS7_VERSION = "2.9.1"
#: Our own protocol between nodes; this one and the one before are accepted (architecture, Versions).
STELLWERK_PROTOCOL = 1

SESSION_HEADER = "x-js7-session"
_SESSION_HEADER = SESSION_HEADER.encode("ascii")
_MAXIMUM_REMEMBERED_CERTIFICATES = 1000


class UserAndPassword(msgspec.Struct, frozen=True, rename="camel"):
    user_id: str
    password: str


class Login(msgspec.Struct, frozen=True, rename="camel", tag_field="TYPE", tag="Login", omit_defaults=True):
    user_and_password: UserAndPassword | None = None
    version: str | None = None
    js7_version: str | None = None
    stellwerk_protocol: int | None = None


class Logout(msgspec.Struct, frozen=True, rename="camel", tag_field="TYPE", tag="Logout"):
    session_token: str


class LoggedIn(msgspec.Struct, frozen=True, rename="camel", tag_field="TYPE", tag="LoggedIn", omit_defaults=True):
    session_token: str
    js7_version: str | None = None
    stellwerk_protocol: int | None = None


_session_command_decoder = msgspec.json.Decoder(Login | Logout)


class AuthenticationSettings(msgspec.Struct, frozen=True):
    """`web.server.auth.*` (journal spec 2.6)."""

    realm: str = "Stellwerk"
    invalid_authentication_delay_seconds: float = 1.0
    #: Everybody may do everything.
    is_public: bool = False
    #: Requests at a port bound to a loopback interface may do everything.
    loopback_is_public: bool = False
    #: GET and HEAD pass every permission check.
    get_is_public: bool = False


class Authenticator:
    """Finds the user of a request and checks permissions."""

    def __init__(self, users: Users, sessions: SessionRegister, settings: AuthenticationSettings | None = None) -> None:
        self.users = users
        self.sessions = sessions
        self.settings = settings or AuthenticationSettings()
        # Subjects of certificates that passed a handshake, so that each is parsed once
        self._certificate_users: dict[bytes, tuple[User, ...]] = {}

    async def authorize(self, request: Request, permission: Permission) -> User:
        """The user of the request, who has the permission; otherwise 401 or 403."""
        user = await self.authenticate(request)
        if user.has(permission) or self._is_public(request):
            return user
        problem = Problem.of("UserDoesNotHavePermission", userId=user.id, permission=permission.value)
        if user is ANONYMOUS:
            raise self._unauthorized(problem)
        raise ProblemError(problem)

    async def authenticate(self, request: Request) -> User:
        """The user of the request: of its session, its credentials, or `ANONYMOUS`."""
        token = request.headers.get(_SESSION_HEADER)
        has_credentials = b"authorization" in request.headers or request.peer_certificate is not None
        if token is None:
            return await self._user_by_credentials(request, None) if has_credentials else ANONYMOUS
        session = self.sessions.find(token.decode("latin-1"), request.path)
        if session is None:
            raise ProblemError.of("InvalidSessionToken")
        if has_credentials and session.user is not SYSTEM:
            await self._check_session_user(request, session)
        return session.user

    async def login(self, request: Request, command: Login) -> LoggedIn:
        """Open a session for the user that the command, Basic credentials or the certificate names."""
        _check_versions(command)
        old_token = request.headers.get(_SESSION_HEADER)
        if old_token is not None:
            self.sessions.logout(old_token.decode("latin-1"))
        user = await self._user_by_credentials(request, command.user_and_password)
        session = self.sessions.login(user, _source(request))
        return LoggedIn(session.token, JS7_VERSION, STELLWERK_PROTOCOL)

    async def _user_by_credentials(self, request: Request, user_and_password: UserAndPassword | None) -> User:
        candidates = await self._users_of_certificate(request)
        claims = [claim for claim in (user_and_password, _basic_credentials(request)) if claim is not None]
        if not claims:
            if candidates is None:
                return ANONYMOUS
            if len(candidates) == 1:
                return candidates[0]
            raise await self._invalid_login()  # the login must say which of the users it is
        users = [self.users.with_password(claim.user_id, claim.password) for claim in claims]
        user = users[0]
        if user is None or None in users:
            raise await self._invalid_login()
        if any(other is not user for other in users) or (candidates is not None and user not in candidates):
            raise HttpError(403, "Client certificate, HTTP Basic credentials and login name different users")
        return user

    async def _check_session_user(self, request: Request, session: Session) -> None:
        if b"authorization" in request.headers:
            user = await self._user_by_credentials(request, None)
            if session.user is ANONYMOUS:
                self.sessions.upgrade(session, user)
            is_same = session.user is user
        else:
            candidates = await self._users_of_certificate(request)
            is_same = candidates is None or session.user in candidates
        if not is_same:
            raise ProblemError.of("InvalidSessionToken")

    async def _users_of_certificate(self, request: Request) -> tuple[User, ...] | None:
        """The users whose certificate the client has shown; None if it showed none; 401 if it belongs to nobody."""
        certificate = request.peer_certificate
        if certificate is None:
            return None
        users = self._certificate_users.get(certificate)
        if users is None:
            users = self.users.with_distinguished_name(certificate_subject(certificate))
            if len(self._certificate_users) < _MAXIMUM_REMEMBERED_CERTIFICATES:
                self._certificate_users[certificate] = users
        if not users:
            raise await self._invalid_login()
        return users

    async def _invalid_login(self) -> HttpError:
        await asyncio.sleep(self.settings.invalid_authentication_delay_seconds)
        return self._unauthorized(Problem.of("InvalidLogin"))

    def _unauthorized(self, problem: Problem) -> HttpError:
        return HttpError(401, problem, {"WWW-Authenticate": f'Basic realm="{self.settings.realm}"'})

    def _is_public(self, request: Request) -> bool:
        settings = self.settings
        return (
            settings.is_public
            or (settings.get_is_public and request.method in ("GET", "HEAD"))
            or (settings.loopback_is_public and request.is_at_loopback_port)
        )


def add_session_routes(router: Router, prefix: str, authenticator: Authenticator) -> None:
    """`POST /PREFIX/api/session` (login, logout) and `GET` (list), for `prefix` controller, agent or subagent."""

    async def execute(request: Request) -> Response:
        command = await request.decode(_session_command_decoder)
        if isinstance(command, Login):
            return Response.json(await authenticator.login(request, command))
        authenticator.sessions.logout(command.session_token)
        return ACCEPTED

    async def list_sessions(request: Request) -> Response:
        return Response.json([session.to_json() for session in authenticator.sessions.sessions()])

    path = f"/{prefix}/api/session"
    # Public, since a login with an expired session must be possible, and the login itself checks the credentials
    router.add("POST", path, execute, permission=Permission.PUBLIC)
    router.add("GET", path, list_sessions, permission=Permission.READ_INTERNALS)


def _check_versions(login: Login) -> None:
    protocol = login.stellwerk_protocol
    if protocol is not None and protocol < STELLWERK_PROTOCOL - 1:
        raise ProblemError(
            f"The client speaks stellwerkProtocol {protocol}, but {STELLWERK_PROTOCOL - 1} is the oldest "
            "that is understood here. Update the client to a newer release"
        )
    if login.js7_version is None:
        if protocol is None:
            logger.warning("Login of a client that does not tell its version")
    elif login.js7_version.split(".")[:2] != JS7_VERSION.split(".")[:2]:
        logger.error("A client of version %s logs in, this is version %s", login.js7_version, JS7_VERSION)


def _basic_credentials(request: Request) -> UserAndPassword | None:
    header = request.header("authorization")
    if header is None:
        return None
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise HttpError(
            401, f"Authorization scheme {scheme} is not supported; use Basic", {"WWW-Authenticate": "Basic"}
        )
    try:
        user_id, colon, password = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        colon = ""
    if not colon:
        raise HttpError(400, "The header Authorization does not hold Base64 of USER:PASSWORD")
    return UserAndPassword(user_id, password)


def _source(request: Request) -> str:
    client = request.scope.get("client")
    return "" if client is None else f"{client[0]}:{client[1]}"
