"""An installation of real Controller and Agent processes, with the face of `InProcessInstallation` for scenarios.

Components are started by the command line, talk HTTP on loopback ports, and are killed at the end. What the runner asks
of the Controller's state is answered by folding its event stream, as any client could.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp

from stellwerk.controller.state import ControllerState
from stellwerk.controller.state_objects import event_decoder
from stellwerk.sdk.in_process import item_operations
from stellwerk.values.events import decode_envelope
from stellwerk.values.json import decode, encode
from stellwerk.values.problems import Problem, ProblemError
from stellwerk.wire.signatures import SigningKey

_START_SECONDS = 60.0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class _EventLog:
    """The Controller's events so far, with the interface of its journal that scenarios use."""

    torn_event_id = 0

    def __init__(self) -> None:
        self._lines: list[tuple[int, bytes]] = []
        self._grown = asyncio.Condition()

    async def add(self, lines: list[tuple[int, bytes]]) -> None:
        async with self._grown:
            self._lines += lines
            self._grown.notify_all()

    def read_after(self, after: int) -> list[bytes]:
        return [line for event_id, line in self._lines if event_id > after]

    async def wait_after(self, after: int, seconds: float) -> bool:
        try:
            async with asyncio.timeout(max(0.0, seconds)), self._grown:
                await self._grown.wait_for(lambda: bool(self._lines) and self._lines[-1][0] > after)
        except TimeoutError:
            return False
        return True


class ProcessInstallation:
    """See the module. Agent `A` has the Director's Subagent `A-1`."""

    def __init__(
        self,
        folder: Path,
        agents: Iterable[str],
        *,
        output_delay_seconds: float = 0.0,
        subagents: Iterable[str] = (),
    ) -> None:
        """`subagents` are the names of those that are going to be added: the Agents know their passwords."""
        self.folder = folder
        self._subagents = tuple(subagents)
        self.agent_paths = tuple(agents)
        self.versions: list[str] = []
        self.controller = SimpleNamespace(journal=_EventLog(), state=ControllerState())
        self._key = SigningKey.generate("processes", datetime.now(UTC) - timedelta(days=1))
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._ports: dict[str, int] = {}
        self._follower: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> ProcessInstallation:
        try:
            for path in self.agent_paths:
                settings = "[jobs]\nsigned_script_injection_allowed = true\n"
                passwords = "".join(f'{name} = "secret of {name}"\n' for name in self._subagents)
                await self.start("agent", path, f"{settings}[subagents]\n{passwords}")
            await self.start("controller", "controller", 'id = "controller"\n')
            self._session = aiohttp.ClientSession(f"http://127.0.0.1:{self._ports['controller']}")
            await self._until_ready()
            self._follower = asyncio.create_task(self._follow())
            await self.update_items([item for path in self.agent_paths for item in self._agent_items(path)])
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)
        for process in self._processes.values():
            if process.returncode is None:
                process.terminate()
        for process in self._processes.values():
            try:
                async with asyncio.timeout(10):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        if self._session is not None:
            await self._session.close()

    async def add_subagent(self, name: str, agent: str) -> None:
        """A Subagent in a process of its own, which wants a password, made known to the Controller."""
        settings = "[jobs]\nsigned_script_injection_allowed = true\n"
        users = "".join(
            f'[users.{director}]\npassword = "plain:secret of {name}"\npermissions = ["AgentDirector"]\n'
            for director in (f"{agent}-1", f"{agent}-2")
        )
        await self.start("subagent", name, settings, private=users)
        uri = f"http://127.0.0.1:{self._ports[name]}"
        await self.update_items([{"TYPE": "SubagentItem", "id": name, "agentPath": agent, "uri": uri}])

    async def add_director(self, agent: str) -> str:
        """A second Director, made known to the Controller; gives its name, which is its SubagentId."""
        name = f"{agent}-2"
        passwords = "".join(f'{subagent} = "secret of {subagent}"\n' for subagent in self._subagents)
        settings = "[jobs]\nsigned_script_injection_allowed = true\n[cluster]\nis_backup = true\n"
        await self.start("agent", name, f"{settings}[subagents]\n{passwords}")
        await self.update_items(
            [
                {"TYPE": "AgentRef", "path": agent, "directors": [f"{agent}-1", name]},
                {"TYPE": "SubagentItem", "id": name, "agentPath": agent, "uri": self.uri(name)},
            ]
        )
        return name

    def uri(self, name: str) -> str:
        return f"http://127.0.0.1:{self._ports[name]}"

    def pid(self, name: str) -> int:
        return self._processes[name].pid

    async def kill(self, name: str) -> None:
        """`kill -9`."""
        process = self._processes.pop(name)
        process.kill()
        await process.wait()

    async def start_again(self, kind: str, name: str) -> None:
        self._processes[name] = process = await self._spawn(kind, self.folder / name)
        if not await self._answers(process, f"http://127.0.0.1:{self._ports[name]}/{kind}/api"):
            raise AssertionError(f"{name} does not start again: {self.log(name)}")

    async def move(self, name: str) -> None:
        """An Agent's process is ended and starts again at another port."""
        await self.kill(name)
        file = self.folder / name / "agent.toml"
        old, self._ports[name] = self._ports[name], _free_port()
        file.write_text(file.read_text().replace(f"port = {old}", f"port = {self._ports[name]}"))
        await self.start_again("agent", name)

    def log(self, name: str) -> str:
        return (self.folder / name / "log").read_text()

    async def start(self, kind: str, name: str, settings: str, private: str = "", *, port: int | None = None) -> None:
        """Start a component and wait until it answers; a port that somebody else has taken is exchanged, if free.

        `settings` are a whole toml file but for `[web]`. Without `private` ones everybody may do everything.
        """
        data = self.folder / name
        keys = data / "private" / "trusted-x509-keys"
        keys.mkdir(parents=True)
        (keys / "key.pem").write_bytes(self._key.certificate_pem())
        (data / "private.toml").touch(mode=0o600)
        (data / "private.toml").write_text(private)
        for _ in range(5 if port is None else 1):
            self._ports[name] = _free_port() if port is None else port
            web = f'[web]\nhost = "127.0.0.1"\nport = {self._ports[name]}\n'
            web += "" if private else "public = true\n"
            (data / f"{kind}.toml").write_text(settings + web)
            process = await self._spawn(kind, data)
            if await self._answers(process, f"http://127.0.0.1:{self._ports[name]}/{kind}/api"):
                self._processes[name] = process
                return
        raise AssertionError(f"{name} does not start: {self.log(name)}")

    async def _spawn(self, kind: str, data: Path) -> asyncio.subprocess.Process:
        log = os.open(data / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "stellwerk.cli", kind, "--data", str(data)),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        finally:
            os.close(log)

    async def _answers(self, process: asyncio.subprocess.Process, url: str) -> bool:
        """True when the component answers, False when it has ended."""
        async with asyncio.timeout(_START_SECONDS), aiohttp.ClientSession() as session:
            while process.returncode is None:
                try:
                    async with session.get(url) as answer:
                        if answer.status == 200:
                            return True
                except aiohttp.ClientError:
                    pass  # it is still starting
                await asyncio.sleep(0.05)
        return False

    async def _until_ready(self) -> None:
        async with asyncio.timeout(_START_SECONDS):
            while True:
                try:
                    await self.command({"TYPE": "NoOperation"})
                    return
                except ProblemError:
                    await asyncio.sleep(0.05)

    def _agent_items(self, path: str) -> list[dict[str, Any]]:
        uri = f"http://127.0.0.1:{self._ports[path]}"
        return [
            {"TYPE": "AgentRef", "path": path, "directors": [f"{path}-1"]},
            {"TYPE": "SubagentItem", "id": f"{path}-1", "agentPath": path, "uri": uri},
        ]

    async def _follow(self) -> None:
        after = 0
        assert self._session is not None
        while True:
            query = {"after": str(after), "timeout": "30", "delay": "0", "return": "Event"}
            async with self._session.get("/controller/api/event", params=query) as answer:
                if answer.status != 200:
                    raise AssertionError(f"events: {await answer.text()}")
                async for text in answer.content:
                    line = text.rstrip(b"\n")
                    envelope = decode_envelope(line)
                    after = envelope.event_id
                    self.controller.state.apply(envelope.key, event_decoder.decode(line))
                    await self.controller.journal.add([(after, line)])

    # --- commands ---

    async def _post(self, path: str, body: bytes, content_type: str) -> Any:
        assert self._session is not None
        async with self._session.post(
            path, data=body, headers={"Content-Type": content_type, "Accept": "application/json"}
        ) as answer:
            text = await answer.read()
            if answer.content_type != "application/json":
                raise ProblemError(f"{answer.status} {text.decode(errors='replace')}")
            value = decode(text)
            if answer.status >= 400:
                raise ProblemError(
                    Problem(
                        message=value.get("message", ""),
                        code=value.get("code"),
                        arguments=value.get("arguments") or {},
                    )
                )
            return value

    async def command(self, command: Mapping[str, Any]) -> Any:
        return await self._post("/controller/api/command", encode(command), "application/json")

    async def deploy(self, items: Sequence[Mapping[str, Any]], version: str | None = None) -> str:
        version = version or f"v{len(self.versions) + 1}"
        await self.update_items(items, version)
        self.versions.append(version)
        return version

    async def update_items(self, items: Sequence[Mapping[str, Any]], version: str | None = None) -> None:
        body = item_operations(items, version, self._key)
        await self._post("/controller/api/item", body, "application/x-ndjson")
