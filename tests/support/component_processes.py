"""Components of an installation as real processes: killed, stopped, started again by their commands, asked over HTTP.

`UpProcess` has those that `stellwerk up` has started, `NodeProcesses` those that a test makes one by one. Waiting is
always for a state, with a deadline.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

#: Generous: machines on which tests run are busy with other tests.
DEADLINE_SECONDS = 60.0
_PAUSE_SECONDS = 0.03
#: In a command: python -m stellwerk.cli KIND ...
_COMMAND_WORD = 3
#: Marks every process of one installation, also those that a component or a job has started.
MARK = "STELLWERK_TEST_INSTALLATION"


def wait_until(look: Callable[[], T | None], what: str | Callable[[], str], seconds: float = DEADLINE_SECONDS) -> T:
    """The first true result of `look`; fails after the deadline saying what was waited for."""
    deadline = time.monotonic() + seconds
    while True:
        result = look()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what if isinstance(what, str) else what()}")
        time.sleep(_PAUSE_SECONDS)


@dataclass(frozen=True)
class Answer:
    """Status 0: nobody answered."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def is_unreachable(self) -> bool:
        """The Cockpit or its Controller gave no answer: what was asked for may or may not have happened."""
        if self.status in (0, 502, 503, 504):
            return True
        error = self.body.get("error") if isinstance(self.body, dict) else None
        return isinstance(error, dict) and error.get("code") == "JOC-402"


def send(request: urllib.request.Request, seconds: float = 65.0, tls: ssl.SSLContext | None = None) -> Answer:
    """One HTTP request; status 0 when nobody answers within the time."""
    try:
        with urllib.request.urlopen(request, timeout=seconds, context=tls) as response:
            return Answer(response.status, _body(response), dict(response.headers))
    except urllib.error.HTTPError as error:
        return Answer(error.code, _body(error), dict(error.headers))
    except (OSError, urllib.error.URLError) as error:
        return Answer(0, str(error))
    except Exception as error:
        # http.client's own errors of a connection that breaks amid the answer.
        if type(error).__module__ != "http.client":
            raise
        return Answer(0, str(error))


def _body(response: Any) -> Any:
    content = response.read()
    # Not x-ndjson: those are many texts, and their reader takes them apart.
    if (response.headers.get("Content-Type") or "").partition(";")[0] in (
        "application/json",
        "application/problem+json",
    ):
        return json.loads(content) if content else None
    return content.decode(errors="replace")


def is_alive(pid: int) -> bool:
    """A zombie is not alive."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rsplit(")", 1)[1].split()[0] not in "ZX"


class ComponentProcesses:
    """See the module. Components have names; `component` and `folder` say where each is."""

    def __init__(self, logs_folder: Path) -> None:
        """What the processes say goes to files in `logs_folder`."""
        self.logs_folder = logs_folder
        self.mark = secrets.token_hex(8)
        #: How the test itself connects to components that speak HTTPS.
        self.tls: ssl.SSLContext | None = None
        self._by_hand: dict[str, subprocess.Popen[bytes]] = {}

    def component(self, name: str) -> dict[str, Any]:
        """`command`, `url` and the `pid` with which it was started first."""
        raise NotImplementedError

    def folder(self, name: str) -> Path:
        """Its data folder."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("STELLWERK_")}
        environment[MARK] = self.mark
        return environment

    def pid(self, name: str) -> int:
        """Of the process that runs this component now."""
        by_hand = self._by_hand.get(name)
        return by_hand.pid if by_hand is not None else int(self.component(name)["pid"])

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Kill a component and wait until its process is gone."""
        pid = self.pid(name)
        os.kill(pid, number)
        by_hand = self._by_hand.pop(name, None)
        if by_hand is not None:
            by_hand.wait(DEADLINE_SECONDS)
        wait_until(lambda: not is_alive(pid), f"the end of {name}")
        self.component(name)["pid"] = 0

    def spawn(self, name: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start a component by its command. `options` are those of `subprocess.Popen`."""
        with (self.logs_folder / f"{name}.by-hand.log").open("ab") as log:
            process = subprocess.Popen(
                self.component(name)["command"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment(),
                start_new_session=True,
                **options,
            )
        self._by_hand[name] = process
        return process

    def restart(self, name: str) -> None:
        """Start a component by its command, and wait until it says that it is well."""
        process = self.spawn(name)

        def is_up() -> bool:
            assert process.poll() is None, f"{name} ended with {process.returncode}\n{self.logs()}"
            return self.health(name).status == 200

        wait_until(is_up, f"{name} answers")

    def terminate(self, name: str) -> int:
        """An orderly end of a component that has been started by hand; gives its exit code."""
        self._by_hand[name].terminate()
        return self.ends(name)

    def ends(self, name: str) -> int:
        """Waits for the end of a component that has been started by hand; gives its exit code."""
        return self._by_hand.pop(name).wait(DEADLINE_SECONDS)

    def node_request(
        self,
        name: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        seconds: float = 65.0,
    ) -> Answer:
        """A request to Controller or Agent as the local user System, whose token lies in the data folder.

        `body`: bytes go as they are, anything else as JSON.
        """
        prefix = self.component(name)["command"][_COMMAND_WORD]
        if headers is None:
            token = (self.folder(name) / "work" / "session-token").read_text().strip()
            headers = {"x-js7-session": token}
        request = urllib.request.Request(
            f"{self.component(name)['url']}/{prefix}/api/{path}",
            data=body if isinstance(body, bytes | None) else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **headers},
            method="GET" if body is None else "POST",
        )
        return send(request, seconds, self.tls)

    def health(self, name: str) -> Answer:
        """Status 0: it cannot be reached."""
        return send(urllib.request.Request(self.component(name)["url"] + "/health"), DEADLINE_SECONDS, self.tls)

    # --- processes and logs ---

    def processes(self) -> dict[int, str]:
        """Pid → command line of every living process that descends from this test's components."""
        mark = f"{MARK}={self.mark}".encode()
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0") and is_alive(int(entry.name)):
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    def no_process_is_left(self) -> None:
        def is_nothing_left() -> bool:
            self._reap()
            return not self.processes()

        wait_until(is_nothing_left, lambda: f"still alive: {self.processes()}")

    def kill_leftovers(self) -> None:
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in self._by_hand.values():
            process.wait()

    def _reap(self) -> None:
        self._by_hand = {name: process for name, process in self._by_hand.items() if process.poll() is None}

    def logs(self, lines: int = 40) -> str:
        """The ends of all logs, for a test that fails."""
        parts = []
        for file in self.log_files():
            text = "\n".join(file.read_text(errors="replace").splitlines()[-lines:])
            parts.append(f"----- {file.name}\n{text}")
        return "\n".join(parts)

    def log_files(self) -> Iterator[Path]:
        yield from sorted(self.logs_folder.glob("*.by-hand.log"))

    def log(self, name: str) -> str:
        """What a component has said since it was first started by hand."""
        file = self.logs_folder / f"{name}.by-hand.log"
        return file.read_text(errors="replace") if file.exists() else ""
