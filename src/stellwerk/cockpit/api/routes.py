"""`Route`: one endpoint as a value. All routes together are one table from which routing, decoding, permission checks,
audit log, error bodies and the OpenAPI document follow (`dispatch`, `openapi`).

A handler is `async (context: RequestContext, request: T) -> answer`. The answer is a struct or a plain value (encoded
as JSON, members that are None or UNSET left out by the struct's own definition), `Answer` for other media or headers,
or `Stream`. Handlers raise `errors.ApiError` and its kin, or `ProblemError` (420 with the problem's text).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

import msgspec

from stellwerk.cockpit.api.errors import AccessDenied, ApprovalNeeded
from stellwerk.cockpit.api.forms import Upload
from stellwerk.cockpit.auth.permissions import Permissions, long_form
from stellwerk.cockpit.auth.sessions import Session
from stellwerk.cockpit.configuration import CockpitConfiguration
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.services import Services
from stellwerk.effects.clock import Clock

T = TypeVar("T")

#: Prefixes of paths in `Route.path`.
COMPATIBLE = "/joc/api"
NATIVE = "/joc/api/stellwerk"


class NoRequest(msgspec.Struct):
    """For endpoints without parameters: any body, or none, is accepted."""


class Answer(msgspec.Struct, frozen=True):
    """An answer that is not plain JSON with status 200."""

    body: bytes
    media_type: str = "application/json"
    status: int = 200
    headers: Mapping[str, str] = {}


class Stream(msgspec.Struct, frozen=True):
    """An answer whose parts are sent as they come. The iterator is closed when the client goes."""

    parts: AsyncIterator[bytes]
    media_type: str = "application/octet-stream"
    headers: Mapping[str, str] = {}


class Ok(msgspec.Struct, frozen=True, rename="camel"):
    """The answer of commands (cockpit-api 1.3): `{deliveryDate, surveyDate, ok:true}`."""

    delivery_date: str
    survey_date: str
    ok: bool = True


class RequestContext:
    """Everything a handler knows of its call besides the request itself."""

    __slots__ = (
        "_session",
        "address",
        "certificate",
        "clock",
        "configuration",
        "controller_id",
        "database",
        "files",
        "headers",
        "path",
        "path_parameters",
        "query",
        "raw_body",
        "response_headers",
        "services",
        "token",
        "with_approval",
    )

    def __init__(
        self,
        *,
        database: Database,
        services: Services,
        clock: Clock,
        configuration: CockpitConfiguration,
        headers: Mapping[str, str],
        path: str,
        path_parameters: Mapping[str, str],
        query: Mapping[str, str],
        raw_body: bytes,
        address: str,
        token: str | None,
        session: Session | None,
        certificate: bytes | None = None,
    ) -> None:
        self.database = database
        self.services = services
        self.clock = clock
        self.configuration = configuration
        #: Request headers, names in lower case.
        self.headers = headers
        #: Path below `/joc/api`, e.g. `/orders/add`.
        self.path = path
        self.path_parameters = path_parameters
        self.query = query
        self.raw_body = raw_body
        self.address = address
        #: The client certificate of the TLS connection (DER), which the server has verified.
        self.certificate = certificate
        self.token = token
        self._session = session
        #: `controllerId` of the request, if it has one.
        self.controller_id: str | None = None
        #: Files of a form, by the names of their fields.
        self.files: Mapping[str, Upload] = {}
        #: What the session could do with somebody's approval; None: what it may do needs none.
        self.with_approval: Permissions | None = None
        #: Headers to send with the answer.
        self.response_headers: dict[str, str] = {}

    @property
    def session(self) -> Session:
        """The caller's session; only for routes that need one (all but `public`)."""
        assert self._session is not None, "a public route has no session"
        return self._session

    @property
    def account(self) -> str:
        return self.session.account

    def now_ms(self) -> int:
        return self.clock.now_ms()

    def require(self, permission: str, controller_id: str | None = None) -> None:
        """Refuse with 403 unless the session has `permission` (short form) for the Controller; 433 if with approval."""
        if self.session.permissions.allows(permission, controller_id):
            return
        if self.with_approval is not None and self.with_approval.allows(permission, controller_id):
            raise ApprovalNeeded
        raise AccessDenied(long_form(permission))

    def restrict(self, permissions: Permissions) -> None:
        """From now on the session may do only this without approval."""
        self.with_approval = self.session.permissions
        self._session = self.session.restricted_to(permissions)

    def ok(self, survey_ms: int | None = None) -> Ok:
        now = self.now_ms()
        return Ok(delivery_date=timestamp(now), survey_date=timestamp(now if survey_ms is None else survey_ms))


Handler = Callable[[RequestContext, Any], Awaitable[Any]]


class Route(msgspec.Struct, frozen=True):
    """One endpoint.

    - `path`: below `/joc/api`, may contain `{name}` for one segment (percent-decoded, so it may hold `/`).
    - `permission`: short form (`ctl:orders:view`); None = any session. With `controllerId` in the request the check is
      for that Controller, else it passes if any Controller is permitted (the handler then filters).
    - `audit`: the call is written to the audit log under `category`, with its outcome.
    - `public`: no session is needed. `renews_session`: False for polling calls (cockpit-api 1.2).
    - `text`: the body is plain text, in `context.raw_body`; the request struct has no members.
    - `unreachable_status`: status when the Controller cannot be reached: 434 for state requests (cockpit-api 1.3).
    - For `GET` the request struct is read from the query; with `form` from the text fields of a `multipart/form-data`
      body, whose files are in `context.files`; with `text` the body is a text, which the handler decodes.
    """

    path: str
    request: type
    answer: Any
    permission: str | None
    audit: bool
    handler: Handler
    method: str = "POST"
    category: str = "OTHERS"
    public: bool = False
    form: bool = False
    text: bool = False
    renews_session: bool = True
    unreachable_status: int = 420
    summary: str = ""

    @property
    def can_be_approved(self) -> bool:
        """Whether the four-eyes principle applies (cockpit-services 7.3): to changes, but of who may do what."""
        return self.audit and not self.public and self.category != "IDENTITY"

    @property
    def description(self) -> str:
        return self.summary or (self.handler.__doc__ or "").strip().split("\n")[0]


def timestamp(milliseconds: int) -> str:
    """The form of `ts` in answers: `2026-01-31T12:00:00.123Z`."""
    from datetime import UTC, datetime

    instant = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{instant:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"
