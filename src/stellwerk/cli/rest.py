"""The Cockpit's REST API as commands use it: one session, errors as `CommandError`.

Where to: `--url` or STELLWERK_URL; a profile that `--profile` names (`profiles`); the installation of `--data`
(STELLWERK_DATA, default `data`), whose Cockpit keeps a session token for commands on the same machine in
`cockpit/work/session-token` (readable by its owner only); else the installation that was logged in to last. With a URL:
`--account` (STELLWERK_ACCOUNT) and the password from STELLWERK_PASSWORD, or asked for.
"""

from __future__ import annotations

import base64
import contextlib
import getpass
import os
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp
import msgspec

from stellwerk.cli.installation import Installation
from stellwerk.cli.output import CommandError
from stellwerk.cli.profiles import named_profile, read_profiles
from stellwerk.values.json import decode, encode

CONTROLLER_ID = "controller"


class Target(msgspec.Struct, frozen=True):
    """Which Cockpit, and as whom."""

    url: str
    account: str | None = None
    password: str | None = None
    token: str | None = None
    controller_id: str = CONTROLLER_ID
    #: The profile that it comes from.
    profile: str | None = None

    @classmethod
    def find(cls, url: str | None, account: str | None, data: Path) -> Target:
        """From options, environment, a profile that is named, data folder, the last login. Raises `CommandError`."""
        url = url or os.environ.get("STELLWERK_URL")
        if url is None and (named_profile() or Installation.read(data) is None):
            chosen = read_profiles().chosen(named_profile())
            if chosen is not None:
                name, profile = chosen
                return cls(url=profile.url, token=profile.token, controller_id=profile.controller_id, profile=name)
        account = account or os.environ.get("STELLWERK_ACCOUNT")
        password = os.environ.get("STELLWERK_PASSWORD")
        token = None
        if url is None:
            installation = Installation.read(data)
            if installation is None:
                raise CommandError(
                    f"there is no installation in the folder {data}",
                    "name its folder with --data, a Cockpit with --url (or STELLWERK_URL), or log in: stellwerk login",
                )
            url = f"http://127.0.0.1:{installation.cockpit_port}"
            if account is None:
                token = local_token(data)
        if token is None:
            account = account or "root"
            if password is None:
                if not sys.stdin.isatty():
                    raise CommandError("a password is needed", "set STELLWERK_PASSWORD")
                password = getpass.getpass(f"Password of {account} at {url}: ")
        return cls(url=url.rstrip("/"), account=account, password=password, token=token)


def local_token(data: Path) -> str | None:
    """The session token that the Cockpit keeps for commands of its own machine; None when it does not run."""
    try:
        return (data / "cockpit" / "work" / "session-token").read_text().strip()
    except OSError:
        return None


class Cockpit:
    """`async with Cockpit(target) as cockpit: await cockpit.post("orders", {...})`."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._session: aiohttp.ClientSession | None = None
        self._token = target.token

    async def __aenter__(self) -> Cockpit:
        self._session = aiohttp.ClientSession(json_serialize=lambda value: encode(value).decode())
        if self._token is None:
            try:
                await self._login()
            except BaseException:
                await self._session.close()
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._session is not None
        if self.target.token is None and self._token is not None:
            # A session that cannot be ended ends by itself; what the command did stands.
            with contextlib.suppress(CommandError):
                await self.post("authentication/logout")
        await self._session.close()

    def keep_session(self) -> str:
        """The token of this session, which is not ended when this object is."""
        assert self._token is not None, "the session has not been opened"
        token: str = self._token
        self._token = None
        return token

    async def _login(self) -> None:
        credentials = f"{self.target.account}:{self.target.password}".encode()
        headers = {"Authorization": "Basic " + base64.b64encode(credentials).decode()}
        status, body, token = await self._request("POST", "authentication/login", b"", headers)
        if status != 200 or not body.get("isAuthenticated", True):
            text = body.get("message") or _error_text(body) or "login was refused"
            raise CommandError(f"{self.target.url}: {text}", "check account and password")
        self._token = token or body.get("accessToken") or None
        if self._token is None:
            text = body.get("message") or "the login gave no session"
            raise CommandError(
                f"{self.target.url}: {text}",
                "use an account without a second factor, or --data on the Cockpit's machine",
            )

    async def post(self, path: str, body: Any = None) -> Any:
        """The answer of a call. Raises `CommandError` with the Cockpit's own words."""
        return await self._call("POST", path, encode({} if body is None else body))

    async def get(self, path: str) -> Any:
        return await self._call("GET", path, None)

    async def upload(self, path: str, fields: Mapping[str, str], name: str, data: bytes) -> Any:
        """A form with text fields and one file."""
        form = aiohttp.FormData()
        form.add_field("file", data, filename=name, content_type="application/octet-stream")
        for field, value in fields.items():
            form.add_field(field, value)
        status, answer, _ = await self._request("POST", path, form, {"X-Access-Token": self._token or ""})
        return self._checked(path, status, answer)

    async def download(self, path: str, body: Any) -> bytes:
        """An answer that is no JSON, as it is."""
        assert self._session is not None
        headers = {"X-Access-Token": self._token or "", "Content-Type": "application/json"}
        url = f"{self.target.url}/joc/api/{path}"
        try:
            async with self._session.post(url, data=encode(body), headers=headers) as response:
                data = await response.read()
        except aiohttp.ClientError as error:
            raise self._unreachable(error) from error
        if response.status >= 400:
            self._checked(path, response.status, decode(data))
        return data

    async def _call(self, method: str, path: str, body: bytes | None) -> Any:
        headers = {"X-Access-Token": self._token or "", "Content-Type": "application/json"}
        status, answer, _ = await self._request(method, path, body, headers)
        return self._checked(path, status, answer)

    def _checked(self, path: str, status: int, answer: Any) -> Any:
        if status == 440 and self.target.profile is not None:
            again = f"stellwerk login {self.target.url} --profile {self.target.profile}"
            raise CommandError(f"the session of the profile '{self.target.profile}' has ended", again)
        if status >= 400:
            remedy = "log in again" if status in (401, 440) else None
            raise CommandError(_error_text(answer) or f"{path}: the Cockpit answered {status}", remedy)
        return answer

    async def _request(
        self, method: str, path: str, body: bytes | aiohttp.FormData | None, headers: dict[str, str]
    ) -> tuple[int, Any, str | None]:
        assert self._session is not None
        url = f"{self.target.url}/joc/api/{path}"
        try:
            async with self._session.request(method, url, data=body, headers=headers) as response:
                data = await response.read()
                token = response.headers.get("X-Access-Token")
                is_json = "json" in response.headers.get("Content-Type", "")
                return response.status, decode(data) if is_json and data else data.decode(errors="replace"), token
        except aiohttp.ClientError as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> CommandError:
        text = f"the Cockpit at {self.target.url} cannot be reached: {error}"
        return CommandError(text, "is it running? (stellwerk up)")

    async def stream(self, path: str) -> AsyncIterator[tuple[str, Any]]:
        """Server-sent events as (event, data). Ends when the server ends it."""
        assert self._session is not None
        headers = {"X-Access-Token": self._token or "", "Accept": "text/event-stream"}
        timeout = aiohttp.ClientTimeout(total=None, sock_read=60)
        url = f"{self.target.url}/joc/api/{path}"
        async with self._session.get(url, headers=headers, timeout=timeout) as response:
            if response.status != 200:
                raise CommandError(f"{path}: the Cockpit answered {response.status}")
            event = "message"
            async for raw in response.content:
                line = raw.decode().rstrip("\r\n")
                if line.startswith("event:"):
                    event = line[6:].strip()
                elif line.startswith("data:"):
                    yield event, decode(line[5:].strip())
                    event = "message"


def _error_text(body: Any) -> str | None:
    """The text of the compatible API's error object (cockpit-api 1.4)."""
    if isinstance(body, dict):
        error = body.get("error")
        if isinstance(error, dict) and error.get("message"):
            return str(error["message"])
        if body.get("message"):
            return str(body["message"])
        errors = body.get("errors")
        if isinstance(errors, list) and errors:  # some of several objects failed
            return "\n".join(f"{item.get('path', '')}: {item.get('message', '')}" for item in errors)
    return str(body) if isinstance(body, str) and body else None


def parse_arguments(pairs: list[str]) -> dict[str, Any]:
    """`NAME=VALUE` pairs; a value that is a JSON number, Boolean, list or object keeps its type, others are strings."""
    arguments: dict[str, Any] = {}
    for pair in pairs:
        name, separator, text = pair.partition("=")
        if not separator or not name:
            raise CommandError(f"{pair!r} is no argument", "write NAME=VALUE")
        try:
            value = decode(text)
        except msgspec.DecodeError:
            value = text
        arguments[name] = text if value is None or isinstance(value, str) else value
    return arguments
