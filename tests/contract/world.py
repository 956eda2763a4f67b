"""The installation against which the commands are played, and what brings it into the state that they need."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from up_process import Answer, Api, UpProcess, wait_until

from stellwerk.cockpit.archives import ArchiveFormat, Entry, write_archive

CONTROLLER = "controller"
SERVICE = "JOC-INITIAL"
JOB: dict[str, Any] = {
    "instructions": [{"TYPE": "Execute.Named", "jobName": "job", "label": "job"}],
    "jobs": {"job": {"agentName": "agent-1", "executable": {"TYPE": "ShellScriptExecutable", "script": "true"}}},
}
WAITING: dict[str, Any] = {
    "orderPreparation": {"parameters": {"key": {"type": "String", "default": '"none"'}}},
    "instructions": [{"TYPE": "Sleep", "duration": "86400", "label": "sleeping"}],
}
PROMPT: dict[str, Any] = {"instructions": [{"TYPE": "Prompt", "question": "'go on?'"}]}
BOARD: dict[str, Any] = {
    "endOfLife": "$js7EpochMilli + 24 * 3600 * 1000",
    "expectOrderToNoticeId": '"none"',
    "postOrderToNoticeId": '"none"',
}
SCRIPT: dict[str, Any] = {"script": "echo included"}
#: Nobody listens there: an Agent that is known, but never answers.
NOWHERE = "http://127.0.0.1:9"


class World:
    """A running installation with objects in `/contract`. Files of the commands go into `folder`."""

    def __init__(self, up: UpProcess, folder: Path) -> None:
        self.up = up
        self.api: Api = up.api()
        self.folder = folder
        #: What the last call of the present command has read.
        self.found = ""
        self.start = ""
        for name, workflow in (("JOB", JOB), ("WAITING", WAITING), ("PROMPT", PROMPT), ("PAUSED", PROMPT)):
            self.deploy(name, workflow)
        self.deploy("BOARD", BOARD, "NOTICEBOARD")
        for agent in ("agent-1", "agent-2"):
            wait_until(lambda agent=agent: self.api.agent_state(agent) == "COUPLED", f"{agent} coupled")  # type: ignore[misc]

    # --- objects ---

    def store(self, path: str, configuration: dict[str, Any] = JOB, object_type: str = "WORKFLOW") -> None:
        self.api.post("inventory/store", {"path": path, "objectType": object_type, "configuration": configuration})

    def deploy(self, name: str, configuration: dict[str, Any] = JOB, object_type: str = "WORKFLOW") -> None:
        path = f"/contract/{name}"
        self.store(path, configuration, object_type)
        draft = {"configuration": {"path": path, "objectType": object_type}}
        self.api.post(
            "inventory/deployment/deploy",
            {"controllerIds": [CONTROLLER], "store": {"draftConfigurations": [draft]}},
        )

    def release(self, path: str) -> None:
        self.store(path, SCRIPT, "INCLUDESCRIPT")
        self.api.post("inventory/release", {"update": [{"path": path, "objectType": "INCLUDESCRIPT"}]})

    def remove(self, path: str) -> None:
        self.store(path)
        self.api.post("inventory/remove", {"objects": [{"path": path, "objectType": "WORKFLOW"}]})

    def remove_folder(self, path: str) -> None:
        self.store(f"{path}/W{path.rsplit('/', 1)[-1].upper()}")
        self.api.post("inventory/remove/folder", {"path": path})

    def attempt(self, path: str, **members: Any) -> Answer:
        """A call that may find nothing to do."""
        return self.api.call(path, {"controllerId": CONTROLLER, **members})

    # --- orders ---

    def order(self, workflow: str, state: str) -> str:
        """Add an order and wait for its state."""
        id_ = self.api.add(f"/contract/{workflow}", "contract")
        self.wait_for_order(id_, state)
        return id_

    def wait_for_order(self, order_id: str, state: str) -> None:
        def is_there() -> bool:
            answer = self.api.call("order", {"controllerId": CONTROLLER, "orderId": order_id})
            return answer.status == 200 and answer.body["state"]["_text"] == state

        wait_until(is_there, f"{order_id} {state}")

    def suspended_order(self) -> str:
        id_ = self.order("WAITING", "WAITING")
        self.api.post("orders/suspend", {"controllerId": CONTROLLER, "orderIds": [id_], "reset": True})
        self.wait_for_order(id_, "SUSPENDED")
        return id_

    def order_of_old_version(self) -> None:
        """A workflow with an order at a version that is not the current one."""
        self.deploy("TRANSFER", WAITING)
        self.order("TRANSFER", "WAITING")
        self.deploy("TRANSFER", {**WAITING, "title": "another version"})

        def is_listed() -> bool:
            body = {"controllerId": CONTROLLER, "folders": [{"folder": "/contract"}]}
            found = self.api.post("workflows", body)["workflows"]
            return any(item["path"] == "/contract/TRANSFER" and not item["isCurrentVersion"] for item in found)

        wait_until(is_listed, "the old version of TRANSFER")

    def notices(self, *ids: str) -> None:
        for id_ in ids:
            body = {"controllerId": CONTROLLER, "noticeBoardPaths": ["/contract/BOARD"], "noticeId": id_}
            self.api.post("notices/post", body)

        def are_there() -> bool:
            [board] = self.api.post("notice/boards", {"controllerId": CONTROLLER})["noticeBoards"]
            return set(ids) <= {notice["id"] for notice in board["notices"]}

        wait_until(are_there, f"notices {ids}")

    # --- Agents and Controllers ---

    def agent(self, agent_id: str, *, deployed: bool = False) -> None:
        agent = {"agentId": agent_id, "agentName": agent_id, "url": f"{NOWHERE}/{agent_id}"}
        self.api.post("agents/inventory/store", {"controllerId": CONTROLLER, "agents": [agent]})
        if deployed:
            self.api.post("agents/inventory/deploy", {"controllerId": CONTROLLER, "agentIds": [agent_id]})

    def cluster(self, agent_id: str, *, deployed: bool = False, bundle: str | None = None) -> None:
        """An Agent with two Subagents, `<agent>-1`, `<agent>-2`, and perhaps a Subagent cluster."""
        subagents = [
            {"subagentId": f"{agent_id}-{n}", "url": f"{NOWHERE}/{agent_id}-{n}", "isDirector": director}
            for n, director in ((1, "PRIMARY_DIRECTOR"), (2, "NO_DIRECTOR"))
        ]
        agent = {"agentId": agent_id, "agentName": agent_id, "subagents": subagents}
        self.api.post("agents/inventory/cluster/store", {"controllerId": CONTROLLER, "clusterAgents": [agent]})
        if bundle is not None:
            members = [{"subagentId": f"{agent_id}-{n}", "priority": n} for n in (1, 2)]
            body = {"agentId": agent_id, "subagentClusterId": bundle, "subagentIds": members}
            self.api.post("agents/cluster/store", {"subagentClusters": [body]})
        if deployed:
            body = {"controllerId": CONTROLLER, "clusterAgentIds": [agent_id]}
            self.api.post("agents/inventory/cluster/deploy", body)

    @property
    def controller_url(self) -> str:
        return str(self.up.component("controller")["url"])

    def controller_start(self) -> str:
        """When it has been started; remembered for `controller_is_back`."""
        answer = self.api.call("controller", {"controllerId": CONTROLLER})
        self.start = str(answer.body["controller"]["startedAt"]) if answer.status == 200 else self.start
        return self.start

    def controller_is_back(self) -> None:
        """After an end that was asked for: `up` starts it again, and both Agents are coupled."""
        before = self.start
        wait_until(lambda: self.controller_start() != before, "the Controller to be started again")
        self.agents_are_coupled()

    def agents_are_coupled(self) -> None:
        def are_coupled() -> bool:
            return all(self.api.agent_state(id_) == "COUPLED" for id_ in ("agent-1", "agent-2"))

        wait_until(are_coupled, "both Agents coupled")

    def register_again(self) -> None:
        """What unregistering the Controller has taken away."""
        node = {"url": self.controller_url, "role": "STANDALONE"}
        self.api.post("controller/register", {"controllerId": "", "controllers": [node]})

    # --- accounts, settings ---

    def account(self, name: str, **members: Any) -> None:
        body = {"identityServiceName": SERVICE, "accountName": name, "roles": ["all"], **members}
        self.api.post("iam/account/store", body)

    def blocked(self, name: str) -> None:
        self.account(name)
        self.api.post("iam/blockedAccount/store", {"accountName": name})

    def role(self, name: str, *, permission: str | None = None, folder: str | None = None) -> None:
        of_role = {"identityServiceName": SERVICE, "roleName": name, "controllerId": ""}
        self.api.post("iam/role/store", {"identityServiceName": SERVICE, "roleName": name})
        if permission is not None:
            entry = {"permissionPath": permission, "excluded": False}
            self.api.post("iam/permissions/store", {**of_role, "permissions": [entry]})
        if folder is not None:
            self.api.post("iam/folders/store", {**of_role, "folders": [{"folder": folder, "recursive": True}]})

    def service(self, name: str) -> None:
        body = {
            "identityServiceName": name,
            "identityServiceType": "JOC",
            "serviceAuthenticationScheme": "SINGLE-FACTOR",
            "disabled": True,
        }
        self.api.post("iam/identityservice/store", body)

    # --- files ---

    def archive(self, name: str, content: dict[str, Any]) -> Path:
        file = self.folder / "archive.zip"
        file.write_bytes(write_archive([Entry(name, json.dumps(content).encode())], ArchiveFormat.ZIP, modified_ms=0))
        return file
