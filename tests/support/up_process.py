"""`stellwerk up` as a real process, its components to be killed and started again, and its API as a script sees it.

Used by tests of real processes (`tests/black_box`, `tests/cli`). Nothing here knows the product's inside beyond the
contract of `up` (ready line, data folder) and the REST API. Waiting is always for a state, with a deadline.
"""

from __future__ import annotations

import base64
import itertools
import json
import select
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from component_processes import DEADLINE_SECONDS, MARK, Answer, ComponentProcesses, is_alive, send, wait_until

__all__ = [
    "DEADLINE_SECONDS",
    "MARK",
    "Answer",
    "Api",
    "UpProcess",
    "is_alive",
    "send",
    "shell_job",
    "wait_until",
    "workflow_of",
]


class Api:
    """The REST API with one session, which is opened anew when it has got lost."""

    def __init__(self, url: str, account: str, password: str, controller_id: str = "controller") -> None:
        self.url = url
        self.account = account
        self.password = password
        self.controller_id = controller_id
        self._token = ""

    def at(self, url: str) -> Api:
        """The same session at another member."""
        other = Api(url, self.account, self.password, self.controller_id)
        other._token = self._token
        return other

    def login(self) -> Answer:
        credentials = base64.b64encode(f"{self.account}:{self.password}".encode()).decode()
        answer = self._send("POST", "authentication/login", b"", {"Authorization": f"Basic {credentials}"})
        if answer.status == 200:
            self._token = answer.body["accessToken"]
        return answer

    def call(
        self, path: str, body: Any = None, *, method: str = "POST", key: str | None = None, raw: bytes | None = None
    ) -> Answer:
        """The answer, whatever it is; logs in again once if there is no session."""
        headers = {} if key is None else {"Idempotency-Key": key}
        data = raw if raw is not None else (json.dumps({} if body is None else body).encode())
        for _ in range(2):
            answer = self._send(
                method, path, data if method == "POST" else None, {"X-Access-Token": self._token, **headers}
            )
            if answer.status not in (401, 440):
                return answer
            login = self.login()
            if login.status != 200:
                return login
        return answer

    def post(self, path: str, body: Any = None) -> Any:
        return self._good(path, self.call(path, body))

    def get(self, path: str) -> Any:
        return self._good(path, self.call(path, method="GET"))

    def _good(self, path: str, answer: Answer) -> Any:
        assert answer.status == 200, f"{path}: {answer.status} {answer.body}"
        return answer.body

    def post_until_answered(self, path: str, body: Any, key: str, seconds: float = DEADLINE_SECONDS) -> Answer:
        """Repeat with the same Idempotency-Key while nobody answers."""

        def ask() -> Answer | None:
            answer = self.call(path, body, key=key)
            return None if answer.is_unreachable else answer

        return wait_until(ask, f"an answer to {path}", seconds)

    def _send(self, method: str, path: str, data: bytes | None, headers: dict[str, str]) -> Answer:
        request = urllib.request.Request(
            f"{self.url}/joc/api/{path}",
            data=data,
            headers={"Content-Type": "application/json", **headers},
            method=method,
        )
        return send(request)

    # --- what tests do often ---

    def deploy(self, path: str, workflow: dict[str, Any]) -> str:
        """Store and deploy one workflow in inventory spelling; gives its path."""
        self.post("inventory/store", {"path": path, "objectType": "WORKFLOW", "configuration": workflow})
        draft = {"configuration": {"path": path, "objectType": "WORKFLOW"}}
        self.post(
            "inventory/deployment/deploy",
            {"controllerIds": [self.controller_id], "store": {"draftConfigurations": [draft]}},
        )
        return path

    def order_request(self, workflow: str, name: str, **members: Any) -> dict[str, Any]:
        return {
            "controllerId": self.controller_id,
            "orders": [{"workflowPath": workflow, "orderName": name, **members}],
        }

    def add(self, workflow: str, name: str, **members: Any) -> str:
        return str(self.post("orders/add", self.order_request(workflow, name, **members))["orderIds"][0])

    def history(self) -> dict[str, dict[str, Any]]:
        """Order id → item of `orders/history`."""
        rows = self.post("orders/history", {"controllerId": self.controller_id, "limit": 10_000})["history"]
        return {row["orderId"]: row for row in rows}

    def outcome(self, order_id: str) -> str | None:
        """SUCCESSFUL, FAILED, INCOMPLETE; None while the order is not in the history."""
        row = self.history().get(order_id)
        return None if row is None else str(row["state"]["_text"])

    def wait_for(self, order_id: str, outcome: str, seconds: float = DEADLINE_SECONDS) -> None:
        wait_until(
            lambda: self.outcome(order_id) == outcome,
            lambda: f"{order_id} {outcome}; it is {self.outcome(order_id)}",
            seconds,
        )

    def tasks(self) -> list[dict[str, Any]]:
        """All attempts, in the order of their starts."""
        rows = self.post("tasks/history", {"controllerId": self.controller_id, "limit": 10_000})["history"]
        return sorted(rows, key=lambda row: (row["startTime"], row["taskId"]))

    def events(self, order_id: str) -> list[dict[str, Any]]:
        quoted = urllib.parse.quote(order_id, safe="")
        events: list[dict[str, Any]] = []
        following: int | None = 0
        while following is not None:
            page = self.get(f"stellwerk/order/{quoted}/events?from={following}&limit=5000")
            events += page["events"]
            following = page.get("next")
        return events

    def log(self, task_id: int) -> str:
        return str(self.post("task/log", {"controllerId": self.controller_id, "taskId": task_id}))

    def agents(self) -> dict[str, dict[str, Any]]:
        return {row["agentId"]: row for row in self.post("agents", {"controllerId": self.controller_id})["agents"]}

    def agent_state(self, agent_id: str) -> str | None:
        state: str | None = self.agents().get(agent_id, {}).get("state", {}).get("_text")
        return state


def order_adder(apis: Sequence[Api], workflow: str) -> Callable[[int], list[str]]:
    """For `node_pair.Load`: the order of a number, asked for with its key at one Cockpit after the other."""

    def add(number: int) -> list[str]:
        name = f"load-{number}"
        cockpits = itertools.cycle(apis)

        def ask() -> Answer | None:
            api = next(cockpits)
            answer = api.call("orders/add", api.order_request(workflow, name), key=name)
            return None if answer.is_unreachable else answer

        answer = wait_until(ask, f"an answer about {name}", 2 * DEADLINE_SECONDS)
        assert answer.status == 200, f"{name}: {answer.status} {answer.body}"
        return list(answer.body["orderIds"])

    return add


class UpProcess(ComponentProcesses):
    """One installation in a folder: `with UpProcess(folder) as up: up.start()`."""

    def __init__(self, data: Path, *, agents: str = "", password: str | None = "a good password") -> None:
        super().__init__(data.parent)
        self.data = data
        self.agents = agents
        self.password = password
        self.ready: dict[str, Any] = {}
        self.process: subprocess.Popen[bytes] | None = None
        self._errors = data.parent / f"{data.name}.up.stderr"

    def __enter__(self) -> UpProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            if self.process is not None and self.process.poll() is None:
                self.stop()
        finally:
            if kind is not None:
                print(self.logs())
            self.kill_leftovers()

    def environment(self) -> dict[str, str]:
        environment = super().environment()
        if self.password is not None:
            environment["STELLWERK_ADMIN_PASSWORD"] = self.password
        return environment

    def command(self, *arguments: str, port: int = 0) -> list[str]:
        command = [sys.executable, "-m", "stellwerk.cli", "up", "--data", str(self.data), "--json"]
        command += ["--port", str(port)]
        return [*command, *(["--agents", self.agents] if self.agents else []), *arguments]

    def start(self, *arguments: str, port: int = 0) -> UpProcess:
        """Start and read the ready line. Fails with what `up` has said if it ends instead."""
        with self._errors.open("ab") as errors:
            self.process = subprocess.Popen(
                self.command(*arguments, port=port),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=self.environment(),
            )
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], 2 * DEADLINE_SECONDS)
        line = self.process.stdout.readline() if readable else b""
        assert line.endswith(b"\n"), f"no ready line\n{self.logs()}"
        self.ready = json.loads(line)
        if self.ready["password"] is not None:
            self.password = self.ready["password"]
        return self

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Signal `up` and give its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(DEADLINE_SECONDS)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._reap()
        return code

    def api(self, password: str | None = None) -> Api:
        return Api(self.ready["url"], self.ready["account"], password or self.password or "")

    # --- components ---

    @property
    def names(self) -> list[str]:
        return ["cockpit", "controller", *self.ready["components"]["agents"]]

    def component(self, name: str) -> dict[str, Any]:
        components = self.ready["components"]
        found: dict[str, Any] = components.get(name) or components["agents"][name]
        return found

    def folder(self, name: str) -> Path:
        return self.data / "agents" / name if name in self.ready["components"]["agents"] else self.data / name

    def kill_leftovers(self) -> None:
        super().kill_leftovers()
        if self.process is not None:
            self.process.wait()
            if self.process.stdout is not None:
                self.process.stdout.close()

    def log_files(self) -> Iterator[Path]:
        if self._errors.exists():
            yield self._errors
        yield from sorted(self.data.rglob("logs/*.log"))
        yield from super().log_files()


def shell_job(agent: str, script: str, **members: Any) -> dict[str, Any]:
    """A job in inventory spelling; `env` goes to the executable."""
    executable: dict[str, Any] = {"TYPE": "ShellScriptExecutable", "script": script}
    if "env" in members:
        executable["env"] = members.pop("env")
    return {"agentName": agent, "executable": executable, "parallelism": 10, **members}


def workflow_of(jobs: dict[str, dict[str, Any]], parameters: dict[str, Any] | None = None) -> dict[str, Any]:
    """The jobs one after the other, each labelled with its name."""
    workflow: dict[str, Any] = {
        "version": "1.7.0",
        "timeZone": "Etc/UTC",
        "instructions": [{"TYPE": "Execute.Named", "jobName": name, "label": name} for name in jobs],
        "jobs": jobs,
    }
    if parameters:
        workflow["orderPreparation"] = {"allowUndeclared": False, "parameters": parameters}
    return workflow
