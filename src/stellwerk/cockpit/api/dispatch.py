"""From an HTTP request to a handler and back, as cockpit-api section 1 says: one path for all routes.

Order of checks (1.10): parse body → validate → token known (440) → permission (403) → action. Each error becomes the
body and status of 1.3; an exception nobody foresaw becomes 420 with its class name and is logged with a request id.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec
import structlog

from stellwerk.cockpit.api.decoding import Reader, RequestError, first_json_value
from stellwerk.cockpit.api.errors import (
    AccessDenied,
    ApiError,
    ApprovalNeeded,
    BulkError,
    ControllerRefused,
    ControllerUnreachable,
    StatusAnswer,
)
from stellwerk.cockpit.api.forms import Upload, read_form
from stellwerk.cockpit.api.four_eyes import HEADER, FourEyes
from stellwerk.cockpit.api.published import NotImplementedYet, missing_routes
from stellwerk.cockpit.api.routes import COMPATIBLE, Answer, RequestContext, Route, Stream, timestamp
from stellwerk.cockpit.audit.log import AuditLog
from stellwerk.cockpit.auth.permissions import Permissions
from stellwerk.cockpit.auth.sessions import Session, Sessions
from stellwerk.cockpit.configuration import CockpitConfiguration
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.services import Services
from stellwerk.cockpit.settings.settings import Settings
from stellwerk.effects.clock import Clock
from stellwerk.effects.correlation import HEADER as CORRELATION_HEADER
from stellwerk.effects.correlation import accept_correlation_id
from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.values.json import decode, encode
from stellwerk.values.problems import ProblemError

NO_STORE = "no-cache, no-store, must-revalidate"
#: Longest request text in the audit log (cockpit-api 1.8).
AUDIT_TEXT_LENGTH = 4096
#: Ends of the names of members whose values are not for the audit log.
_SECRET_NAMES = ("password", "passwd", "pwd", "secret", "privatekey", "accesstoken")
#: Members that hold JSON as text.
_JSON_NAMES = ("configurationitem",)
#: In XML: webhooks' addresses are as good as passwords.
_XML_SECRETS = re.compile(r"""\b(url|\w*password)\s*=\s*("[^"]*"|'[^']*')""", re.IGNORECASE)
_logger = structlog.get_logger(__name__)


class _Audit(msgspec.Struct):
    comment: str | None = None
    timeSpent: int | None = None
    ticketLink: str | None = None


_audit_reader = Reader(_Audit)


class RouteTable:
    """Finds a route by method and raw path. Static paths by dictionary, those with parameters by their segments."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = list(routes)
        self._static: dict[tuple[str, str], tuple[Route, Reader[Any]]] = {}
        self._templates: list[tuple[str, tuple[str, ...], Route, Reader[Any]]] = []
        self._methods: dict[str, set[str]] = {}
        for route in self.routes:
            reader: Reader[Any] = Reader(route.request)
            if "{" in route.path:
                self._templates.append((route.method, tuple(route.path.strip("/").split("/")), route, reader))
            elif (route.method, route.path) in self._static:
                raise ValueError(f"two routes for {route.method} {route.path}")
            else:
                self._static[route.method, route.path] = (route, reader)
                self._methods.setdefault(route.path, set()).add(route.method)

    def find(self, method: str, raw_path: str) -> tuple[Route, Reader[Any], dict[str, str]] | set[str]:
        """The route and its path parameters, or the methods that the path has (empty: no such path)."""
        path = unquote(raw_path)
        found = self._static.get((method, path))
        if found is not None:
            return (*found, {})
        methods = set(self._methods.get(path, ()))
        segments = raw_path.strip("/").split("/")
        for template_method, template, route, reader in self._templates:
            parameters = _match(template, segments)
            if parameters is not None:
                if template_method == method:
                    return route, reader, parameters
                methods.add(template_method)
        return methods


def _match(template: tuple[str, ...], segments: list[str]) -> dict[str, str] | None:
    if len(template) != len(segments):
        return None
    parameters: dict[str, str] = {}
    for part, segment in zip(template, segments, strict=True):
        if part.startswith("{"):
            parameters[part[1:-1]] = unquote(segment)
        elif part != segment:
            return None
    return parameters


class Dispatcher:
    """An ASGI application for everything below `/joc/api`."""

    def __init__(
        self,
        table: RouteTable,
        *,
        database: Database,
        services: Services,
        sessions: Sessions,
        clock: Clock,
        configuration: CockpitConfiguration,
    ) -> None:
        self.table = table
        self._missing = RouteTable(missing_routes(table.routes))
        self._database = database
        self._services = services
        self._four_eyes = FourEyes(services)
        self._sessions = sessions
        self._clock = clock
        self._configuration = configuration
        self._request_ids = itertools.count(1)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        raw_path = scope.get("raw_path") or scope["path"].encode()
        path = raw_path.decode("ascii", "replace").split("?", 1)[0].removeprefix(COMPATIBLE)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        request_id = headers.get("x-request-id", "")[:64] or f"r{next(self._request_ids)}"
        extra = {"X-Request-Id": request_id}
        # The Controller's log lines about what this request brings carry the same id.
        accept_correlation_id(headers.get(CORRELATION_HEADER) or request_id)
        answer = await self._answer(scope, receive, path, headers, extra)
        if isinstance(answer, Stream):
            await _send_stream(answer, receive, send, extra)
        else:
            await _send(answer, send, extra, headers)

    async def _answer(
        self, scope: Any, receive: Any, path: str, headers: Mapping[str, str], extra: dict[str, str]
    ) -> Answer | Stream:
        found = self.table.find(scope["method"], path)
        if isinstance(found, set):
            return await self._without_route(scope["method"], path, found, headers, extra)
        route, reader, path_parameters = found
        try:
            body = await _read_body(receive, self._configuration.maximum_body_bytes)
            query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True))
            token = headers.get("x-access-token") or query.get("accessToken")
            claim = None
            if HEADER in headers and route.can_be_approved:
                requestor = await self._session(route, token)
                claim = await self._four_eyes.claim(headers[HEADER], requestor.account, path)
                # What was approved counts, whatever the client sends now.
                body = claim.body
            plain, files = _plain_request(route, body, query, headers)
            request = reader.read(plain)
            session = None if route.public else await self._session(route, token)
            client = scope.get("client")
            context = RequestContext(
                database=self._database,
                services=self._services,
                clock=self._clock,
                configuration=self._configuration,
                headers=headers,
                path=path,
                path_parameters=path_parameters,
                query=query,
                raw_body=body,
                address=client[0] if client else "",
                token=token,
                session=session,
                certificate=scope.get("state", {}).get("peer_certificate"),
            )
            context.response_headers = extra
            context.files = files
            if isinstance(plain, dict) and isinstance(plain.get("controllerId"), str):
                context.controller_id = plain["controllerId"] or None
            if claim is not None:
                async with claim:
                    return await self._call(route, context, request, plain)
            self._four_eyes.restrict(route, context)
            return await self._call(route, context, request, plain)
        except ApprovalNeeded:
            return await self._approval_needed(route, context, plain)
        except Exception as error:
            return self._error(error, route, path, extra)

    async def _approval_needed(self, route: Route, context: RequestContext, plain: Any) -> Answer:
        explanation = await self._four_eyes.explanation(route, context, plain)
        if explanation is not None:
            return Answer(encode(explanation), status=433)
        message = "Access denied: uploads and changes of who may do what cannot be approved; ask who may do it"
        return Answer(encode(self._denied(context) | {"message": message}), status=403)

    async def _session(self, route: Route, token: str | None) -> Session:
        session = await self._sessions.get(token, renew=route.renews_session) if token else None
        if session is None:
            message = f"SessionNotExistException: Session doesn't exist [{(token or '')[:8]}…]"
            raise StatusAnswer(440, security(message=message))
        return session

    async def _call(self, route: Route, context: RequestContext, request: Any, plain: Any) -> Answer | Stream:
        if route.permission is not None:
            wanted, scope = route.permission, context.controller_id
            if not _allows(context.session.permissions, wanted, scope):
                if context.with_approval is not None and _allows(context.with_approval, wanted, scope):
                    raise ApprovalNeeded
                raise StatusAnswer(403, self._denied(context))
        audit = self._audit(route, plain) if route.audit else None
        status = 500
        try:
            result = await route.handler(context, request)
            status = 200
        except AccessDenied:
            status = 403
            raise StatusAnswer(403, self._denied(context)) from None
        except ApprovalNeeded:
            status = 433
            raise
        except ApiError as error:
            status = error.status
            raise
        except (ProblemError, BulkError, PeerUnreachableError):
            status = 420
            raise
        finally:
            if audit is not None:
                await self._write_audit(route, context, plain, audit, status)
        if isinstance(result, Answer | Stream):
            return result
        return Answer(encode(result))

    def _audit(self, route: Route, plain: Any) -> _Audit:
        """What the caller says for the audit log; in a form its members are fields of their own (cockpit-api 1.8)."""
        block = plain if route.form else plain.get("auditLog") if isinstance(plain, dict) else None
        audit = _audit_reader.read(block) if isinstance(block, dict) else _Audit()
        if not audit.comment and self._services.get(Settings).boolean("joc", "force_comments_for_audit_log"):
            raise ApiError(
                "the comment for the audit log is mandatory: give auditLog.comment",
                code="JOC-300",
                kind="JocMissingCommentException",
            )
        return audit

    async def _write_audit(self, route: Route, context: RequestContext, plain: Any, audit: _Audit, status: int) -> None:
        row = {
            "account": context.account,
            "request": context.path,
            "parameters": encode(masked(plain)).decode()[:AUDIT_TEXT_LENGTH],
            "category": route.category,
            "controller_id": context.controller_id,
            "comment": audit.comment,
            "time_spent": audit.timeSpent,
            "ticket_link": audit.ticketLink,
            "created": self._clock.now_ms(),
            "status": status,
        }
        # Shielded: a client that goes away does not remove the trace of what it has done.
        await asyncio.shield(self._services.get(AuditLog).write(row, plain))

    def _denied(self, context: RequestContext) -> dict[str, Any]:
        session = context.session
        must_change = session.force_password_change
        return security(
            message="Access denied: change your password first" if must_change else "Access denied",
            isAuthenticated=True,
            account=session.account,
            accessToken=context.token or "",
            role=", ".join(session.roles),
            hasRole=bool(session.roles),
            apiCall="." + context.path,
        )

    def _error(self, error: Exception, route: Route, path: str, extra: Mapping[str, str]) -> Answer:
        if isinstance(error, StatusAnswer):
            return Answer(encode(error.body), status=error.status, headers=error.headers)
        if isinstance(error, RequestError):
            return self._failure(420, "JOC-420", str(error))
        if isinstance(error, ApiError):
            unreachable = isinstance(error, ControllerUnreachable)
            return self._failure(route.unreachable_status if unreachable else error.status, error.code, error.message)
        if isinstance(error, ProblemError):
            refused = ControllerRefused(error)
            return self._failure(refused.status, refused.code, refused.message)
        if isinstance(error, PeerUnreachableError):
            lost = ControllerUnreachable(str(error))
            return self._failure(route.unreachable_status, lost.code, lost.message)
        if isinstance(error, BulkError):
            now = timestamp(self._clock.now_ms())
            errors = [
                {"code": code, "message": message, "surveyDate": now, "path": object_path}
                for object_path, code, message in error.failures
            ]
            return Answer(encode({"deliveryDate": now, "errors": errors}), status=419)
        _logger.error("request failed unexpectedly", path=path, request_id=extra["X-Request-Id"], exc_info=error)
        return self._failure(420, "JOC-420", f"{type(error).__name__}: {error}")

    def _failure(self, status: int, code: str, message: str) -> Answer:
        now = timestamp(self._clock.now_ms())
        body = {"deliveryDate": now, "surveyDate": now, "error": {"code": code, "message": message}}
        return Answer(encode(body), status=status)

    async def _without_route(
        self, method: str, path: str, methods: set[str], headers: Mapping[str, str], extra: dict[str, str]
    ) -> Answer:
        """A published endpoint says to those who are logged in that it is not implemented."""
        found = self._missing.find(method, path)
        if isinstance(found, set):
            return self._not_found(method, path, methods, extra)
        try:
            await self._session(found[0], headers.get("x-access-token"))
            raise NotImplementedYet(unquote(path))
        except (StatusAnswer, ApiError) as error:
            return self._error(error, found[0], path, extra)

    def _not_found(self, method: str, path: str, methods: set[str], extra: Mapping[str, str]) -> Answer:
        now = timestamp(self._clock.now_ms())
        if methods:
            text = f"{method} is not supported by /joc/api{path}; use {', '.join(sorted(methods))}"
            status, headers = 405, {"Allow": ", ".join(sorted(methods))}
        else:
            text, status, headers = f"there is no endpoint /joc/api{path}", 404, {}
        body = {"deliveryDate": now, "surveyDate": now, "error": {"code": "JOC-404", "message": text}}
        return Answer(encode(body), status=status, headers=headers)


def security(**members: Any) -> dict[str, Any]:
    """The authentication object (cockpit-api 1.2) with its literal false members."""
    return {"hasRole": False, "isAuthenticated": False, "isPermitted": False, **members}


def masked(value: Any) -> Any:
    """`value` with the values of secret-looking members replaced."""
    if isinstance(value, dict):
        return {name: _masked_member(name.lower().replace("_", ""), member) for name, member in value.items()}
    if isinstance(value, list):
        return [masked(element) for element in value]
    return value


def _masked_member(name: str, value: Any) -> Any:
    if name.endswith(_SECRET_NAMES):
        return "********"
    if name in _JSON_NAMES and isinstance(value, str):
        try:
            return encode(masked(decode(value))).decode()
        except (msgspec.DecodeError, RecursionError):
            return "********"
    if name == "configuration" and isinstance(value, str):
        return _XML_SECRETS.sub(r'\1="********"', value)
    return masked(value)


def _allows(permissions: Permissions, permission: str, controller_id: str | None) -> bool:
    """Without a Controller it is enough to be permitted for one: the handler then asks for each, or filters."""
    if controller_id is None:
        return permissions.allows_for_any_controller(permission)
    return permissions.allows(permission, controller_id)


def _plain_request(
    route: Route, body: bytes, query: dict[str, str], headers: Mapping[str, str]
) -> tuple[Any, dict[str, Upload]]:
    """The request before it is read by its type, and the files that came with it. Raises `RequestError`."""
    if route.text:
        return {}, {}
    if route.form:
        return read_form(body, headers.get("content-type", ""))
    if route.text:
        return {}, {}
    return query if route.method == "GET" else first_json_value(body), {}


async def _read_body(receive: Any, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestError("the client closed the connection while sending")
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise ApiError(f"the body is larger than {limit} bytes", status=413, kind="RequestEntityTooLargeException")
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


async def _send(answer: Answer, send: Any, extra: Mapping[str, str], request_headers: Mapping[str, str]) -> None:
    headers = {"Cache-Control": NO_STORE, **extra, **answer.headers}
    body, status = answer.body, answer.status
    if status == 200 and "ETag" not in headers and headers["Cache-Control"] != NO_STORE:
        headers["ETag"] = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    if status == 200 and headers.get("ETag") is not None and request_headers.get("if-none-match") == headers["ETag"]:
        status, body = 304, b""
    headers["Content-Type"] = answer.media_type
    headers["Content-Length"] = str(len(body))
    await send({"type": "http.response.start", "status": status, "headers": _encoded(headers)})
    await send({"type": "http.response.body", "body": body})


async def _send_stream(answer: Stream, receive: Any, send: Any, extra: Mapping[str, str]) -> None:
    headers = {"Cache-Control": NO_STORE, **extra, **answer.headers, "Content-Type": answer.media_type}
    await send({"type": "http.response.start", "status": 200, "headers": _encoded(headers)})
    sending = asyncio.ensure_future(_send_parts(answer.parts, send))
    leaving = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
        if not sending.done():
            sending.cancel()
        await asyncio.gather(sending, leaving, return_exceptions=True)
    if sending.done() and not sending.cancelled() and (error := sending.exception()) is not None:
        raise error


async def _send_parts(parts: Any, send: Any) -> None:
    try:
        async for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
    finally:
        if hasattr(parts, "aclose"):
            await parts.aclose()
    await send({"type": "http.response.body", "body": b""})


async def _disconnected(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
