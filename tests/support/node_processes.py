"""Controllers, Agents, Subagents and witnesses as real processes, made one by one by a test, without a Cockpit.

    with NodeProcesses(tmp_path) as nodes:
        nodes.add("controller", "controller")
        nodes.add("agent", "A")
        nodes.start("controller", "A")
        nodes.update_items(nodes.agent_items("A"))

They listen on loopback and, unless settings say otherwise, let everybody do everything.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from component_processes import DEADLINE_SECONDS, Answer, ComponentProcesses, wait_until

from stellwerk.cli.installation import free_port
from stellwerk.sdk.in_process import item_operations
from stellwerk.values.json import decode
from stellwerk.wire.signatures import SigningKey

#: A client gives up waiting for a node that has to wait for others, and asks another one.
_PATIENCE_SECONDS = 3.0
_JSON = {"Accept": "application/json"}
#: Problems of a node that is not the active one (any more), or has no room: nothing has been done.
_NOT_NOW = ("ClusterNodeIsNotActive", "ClusterNodeIsNotReady", "ControllerIsShuttingDown", "ShuttingDown")


class NodeProcesses(ComponentProcesses):
    """See the module."""

    def __init__(self, folder: Path, controllers: Sequence[str] = ("controller",)) -> None:
        """`controllers`: who is asked when a command is for the active Controller."""
        super().__init__(folder)
        self.controllers = tuple(controllers)
        self._folder = folder
        self._components: dict[str, dict[str, Any]] = {}
        self._key = SigningKey.generate("test", datetime.now(UTC) - timedelta(days=1))
        self._version = 0
        self._answering = self.controllers[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            print(self.logs())
        self.kill_leftovers()

    # --- components ---

    def component(self, name: str) -> dict[str, Any]:
        return self._components[name]

    def folder(self, name: str) -> Path:
        return self._folder / name

    def url(self, name: str) -> str:
        url: str = self._components[name]["url"]
        return url

    def add(self, kind: str, name: str, settings: str = "", *, port: int = 0, certificate: Path | None = None) -> None:
        """Make its data folder; `settings` are TOML. With a certificate, that and its key, HTTPS is spoken."""
        port = port or free_port()
        folder = self.folder(name)
        keys = folder / "private" / "trusted-x509-keys"
        keys.mkdir(parents=True)
        (keys / "test.pem").write_bytes(self._key.certificate_pem())
        head = 'id = "controller"\n' if kind == "controller" else ""
        web = f'[web]\nhost = "127.0.0.1"\nport = {port}\npublic = true\n'
        if certificate is not None:
            web += f'certificate = "{certificate}"\nclient_authentication = false\n'
        text = f"{head}{settings}\n{web}"
        (folder / f"{kind}.toml").write_text(text)
        scheme = "http" if certificate is None else "https"
        command = [sys.executable, "-m", "stellwerk.cli", kind, "--data", str(folder)]
        self._components[name] = {"command": command, "url": f"{scheme}://127.0.0.1:{port}", "pid": 0}

    def start(self, *names: str) -> None:
        """All at once; returns when all can be reached."""
        processes = {name: self.spawn(name) for name in names}

        def all_answer() -> bool:
            for name, process in processes.items():
                assert process.poll() is None, f"{name} ended with {process.returncode}\n{self.log(name)}"
            return all(self.health(name).status for name in names)

        wait_until(all_answer, lambda: f"answers of {names}\n{self.logs()}")

    # --- what clients do ---

    def command(self, name: str, command: Any, seconds: float = 65.0) -> Answer:
        return self.node_request(name, "command", command, headers=_JSON, seconds=seconds)

    def command_active(self, command: Any) -> Any:
        """The answer of the active Controller, whichever that is; repeated until there is one."""
        return self._ask_active("command", command, _JSON).body

    def _ask_active(self, path: str, body: Any, headers: dict[str, str]) -> Answer:
        """Who has answered last is asked first."""

        def ask() -> Answer | None:
            for name in sorted(self.controllers, key=lambda name: name != self._answering):
                answer = self.node_request(name, path, body, headers=headers, seconds=_PATIENCE_SECONDS)
                if answer.status == 200:
                    self._answering = name
                    return answer
                code = answer.body.get("code") if isinstance(answer.body, dict) else None
                # 0: it is gone, or waits for others.
                assert answer.status in (0, 503) or code in _NOT_NOW, f"{body}: {answer}"
            return None

        return wait_until(ask, lambda: f"an answer to {body}", 2 * DEADLINE_SECONDS)

    def add_order(self, order_id: str, workflow: str) -> list[str]:
        """Until it is acknowledged: an id that is known already is not added twice. Gives the ids."""
        order = {"id": order_id, "workflowPath": workflow, "deleteWhenTerminated": True}
        self.command_active({"TYPE": "AddOrder", "order": order})
        return [order_id]

    def update_items(self, items: Sequence[dict[str, Any]]) -> None:
        self._version += 1
        body = item_operations(items, f"v{self._version}", self._key)

        self._ask_active("item", body, {**_JSON, "Content-Type": "application/x-ndjson"})

    def agent_items(self, path: str, *directors: str) -> list[dict[str, Any]]:
        """An Agent of these Directors, components of the same names; none: one of the Agent's name."""
        directors = directors or (path,)
        return [
            {"TYPE": "AgentRef", "path": path, "directors": list(directors)},
            *(self.subagent_item(name, path) for name in directors),
        ]

    def subagent_item(self, name: str, agent: str) -> dict[str, Any]:
        return {"TYPE": "SubagentItem", "id": name, "agentPath": agent, "uri": self.url(name)}

    def snapshot(self, name: str) -> list[dict[str, Any]]:
        """A Controller's state as its objects."""
        answer = self.node_request(name, "snapshot/", headers={})
        assert answer.status == 200, answer
        return [decode(line) for line in answer.body.encode().splitlines()]

    def orders(self, name: str) -> set[str]:
        """The ids of the orders that a Controller knows."""
        return {item["id"] for item in self.snapshot(name) if item["TYPE"] == "Order"}
