"""Clusters as people see and steer them (ui.md S15), real processes: nodes, lag, watches, losses, who may take over.

One installation for all tests of this module: a pair of Controllers with three watches, and a pair of Directors whose
fail-over a person has to confirm. Each test leaves both pairs coupled.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import tomllib
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from up_process import Api, UpProcess, send, wait_until

from stellwerk.cli.installation import free_port
from stellwerk.wire.active_node import ActiveNodePeer
from stellwerk.wire.client import Credentials, HttpPeer

AGENT = "twin"
DEADLINE_SECONDS = 120.0
FOLDERS = ("controller", "controller-2")


class Pairs:
    """The installation, and the two Directors' processes, which `up` knows nothing of."""

    def __init__(self, up: UpProcess) -> None:
        self.up = up
        self.api: Api = up.api()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._ports = {"Primary": free_port(), "Backup": free_port()}

    # --- Directors ---

    def folder(self, node_id: str) -> Path:
        return self.up.data / f"{AGENT}-{node_id}"

    def start_director(self, node_id: str) -> None:
        folder = self.folder(node_id)
        if not folder.exists():
            folder.mkdir()
            web = f'[web]\nhost = "127.0.0.1"\nport = {self._ports[node_id]}\npublic = true\n'
            cluster = "[cluster]\nis_backup = true\n" if node_id == "Backup" else ""
            (folder / "agent.toml").write_text(web + cluster)
        command = [sys.executable, "-m", "stellwerk.cli", "agent", "--data", str(folder)]
        with (folder / "log").open("ab") as log:
            self._processes[node_id] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.up.environment()
            )

    def kill_director(self, node_id: str) -> None:
        process = self._processes.pop(node_id)
        process.kill()
        process.wait()

    def stop_directors(self) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.wait(DEADLINE_SECONDS)

    def deploy_agent(self) -> None:
        """An Agent with two Directors; the Cockpit's own registration makes Agents with one."""
        directors = {node_id: f"{AGENT}-{node_id}" for node_id in self._ports}
        agent = {"TYPE": "AgentRef", "path": AGENT, "directors": list(directors.values())}
        items: list[dict[str, Any]] = [{**agent, "requireFailoverConfirmation": True}]
        for node_id, port in self._ports.items():
            uri = f"http://127.0.0.1:{port}"
            items.append({"TYPE": "SubagentItem", "id": directors[node_id], "agentPath": AGENT, "uri": uri})
        lines = [json.dumps({"TYPE": "AddOrChangeSimple", "item": item}) for item in items]
        asyncio.run(self._update_items("\n".join(lines).encode() + b"\n"))

    async def _update_items(self, body: bytes) -> None:
        peer = ActiveNodePeer([HttpPeer(self.url(name), "controller", self.credentials) for name in FOLDERS])
        try:
            await peer.post("item", body, "application/x-ndjson")
        finally:
            await peer.close()

    @property
    def credentials(self) -> Credentials:
        file = self.up.folder("cockpit") / "private" / "controllers" / "controller.toml"
        secret = tomllib.loads(file.read_text())
        return Credentials(secret["user"], secret["password"])

    # --- what is seen ---

    def url(self, name: str) -> str:
        return str(self.up.component(name)["url"])

    def topology(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.api.get("stellwerk/topology")
        return answer

    def cluster(self, cluster_id: str) -> dict[str, Any]:
        """The cluster, with its nodes and links in place of their ids."""
        topology = self.topology()
        nodes = {node["id"]: node for node in topology["nodes"]}
        found = [cluster for cluster in topology["clusters"] if cluster["id"] == cluster_id]
        if not found:
            return {"state": None}
        [cluster] = found
        shown = {node["name"]: node for node in (nodes[id_] for id_ in cluster["nodes"])}
        links = [link for link in topology["links"] if {link["from"], link["to"]} <= set(cluster["nodes"])]
        return {**cluster, "nodes": shown, "links": links}

    def until(self, cluster_id: str, what: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        latest: dict[str, Any] = {}

        def look() -> dict[str, Any] | None:
            latest.update(self.cluster(cluster_id))
            return dict(latest) if holds(latest) else None

        return wait_until(look, lambda: f"{cluster_id}: {what}; it is {json.dumps(latest, indent=2)}", DEADLINE_SECONDS)

    def until_ready(self, cluster_id: str) -> dict[str, Any]:
        """Both nodes answer, are coupled, and the passive one can take over."""

        def is_ready(cluster: dict[str, Any]) -> bool:
            states = sorted(node["state"] for node in cluster.get("nodes", {}).values())
            return states == ["COUPLED", "RUNNING"] and bool(cluster["readiness"]["canFailOver"])

        return self.until(cluster_id, "coupled and ready", is_ready)

    def attention(self) -> list[str]:
        return [group["title"] for group in self.api.get("stellwerk/attention")["groups"]]

    def controller_of(self, node: dict[str, Any]) -> str:
        """The component that is this node."""
        [name] = [name for name in FOLDERS if self.url(name) == node["url"]]
        return name

    def metrics(self, name: str) -> dict[str, float]:
        """The figures of a node without labels."""

        login = base64.b64encode(f"{self.credentials.user_id}:{self.credentials.password}".encode()).decode()
        answer = send(urllib.request.Request(f"{self.url(name)}/metrics", headers={"Authorization": f"Basic {login}"}))
        assert answer.status == 200, answer.body
        plain = [line.split() for line in answer.body.splitlines() if line[0] != "#" and "{" not in line]
        return {figure: float(value) for figure, value in plain}

    def stand_still(self, *names: str) -> contextlib.AbstractContextManager[None]:
        """Their processes are stopped and go on at the end."""

        @contextlib.contextmanager
        def stopped() -> Iterator[None]:
            for name in names:
                os.kill(self.up.pid(name), signal.SIGSTOP)
            try:
                yield
            finally:
                for name in names:
                    os.kill(self.up.pid(name), signal.SIGCONT)

        return stopped()


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pairs]:
    with UpProcess(tmp_path_factory.mktemp("clusters") / "data", agents="agent-1") as up:
        up.start("--cluster", "--database", "sqlite")
        made = Pairs(up)
        try:
            for node_id in ("Primary", "Backup"):
                made.start_director(node_id)
            made.deploy_agent()
            yield made
        finally:
            made.stop_directors()


def test_a_pair_is_told_with_its_nodes_watches_and_lag(pairs: Pairs) -> None:
    cluster = pairs.until_ready("controller/controller")
    watches = {watch["id"]: (watch["connected"], watch["decides"]) for watch in cluster["watches"]}
    assert watches == dict.fromkeys(("joc", "witness-1", "witness-2"), (True, True))
    assert cluster["watchesNeeded"] == 2
    assert cluster["can"]["switchOver"] is True
    assert cluster["can"]["confirmLoss"] == "No node's loss waits for a person."
    for node in cluster["nodes"].values():
        assert node["journal"]["bytes"] > 0
        assert node["journal"]["free"] > 0
        assert node["can"] == {"terminate": True, "restart": True}
    [forth] = [link for link in cluster["links"] if link["from"] == cluster["active"]]
    assert forth["state"] == "COUPLED"
    assert "lagEvents" in forth and "lagBytes" in forth and "lastSeen" in forth
    coupled = cluster["history"][0]
    assert (coupled["event"], coupled["time"]) == ("ClusterCoupled", cluster["since"])


def test_the_command_shows_what_the_screen_shows(pairs: Pairs) -> None:
    cluster = pairs.until_ready("controller/controller")
    command = [sys.executable, "-m", "stellwerk.cli", "cluster", "show", "--data", str(pairs.up.data)]
    shown = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    [same] = [one for one in json.loads(shown.stdout)["clusters"] if one["id"] == cluster["id"]]
    for member in ("state", "since", "term", "active", "readiness", "history"):
        assert same[member] == cluster[member], member
    for_people = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Controllers controller: Coupled since 20" in for_people
    assert "watches: joc, witness-1, witness-2; 2 must agree" in for_people
    assert "Directors of Agent twin: " in for_people


def test_the_logs_of_all_processes_are_read_through_the_cockpit(pairs: Pairs) -> None:
    cluster = pairs.until_ready("controller/controller")
    api, of_controller = pairs.api, {"controllerId": "controller", "dateFrom": "1h"}
    names = {node["role"]: pairs.controller_of(node) for node in cluster["nodes"].values()}

    def page(path: str, **members: Any) -> tuple[list[str], dict[str, Any]]:
        answer = api.post(path, {**of_controller, **members})
        return [item["line"] for item in answer["logLines"]], answer

    for role, name in (("PRIMARY", "controller"), ("BACKUP", "controller-2")):
        lines, answer = page("controller/log", role=role)
        written = (pairs.up.folder(name) / "logs" / f"{name}.log").read_text()
        assert answer["lastLogLineReached"] and answer["timeZone"] == "UTC"
        assert lines and "\n".join(lines) in written, f"{role}: every line as it was written"
        assert page("controller/log", role=role, level="ERROR")[0] == [line for line in lines if "[error" in line]
        first, answer = page("controller/log", role=role, limit=2)
        assert first == lines[:2] and answer["firstLogLineReached"]
        known = {"logToken": answer["logToken"], "key": answer["logLines"][-1]["key"], "limit": 3}
        following = api.post("controller/log/next", known)
        assert [item["line"] for item in following["logLines"]] == lines[2:5]
        before = api.post("controller/log/prev", {**known, "key": following["logLines"][0]["key"]})
        assert [item["line"] for item in before["logLines"]] == first and before["firstLogLineReached"]
    active = page("controller/log")[0]
    assert active == page("controller/log", role="PRIMARY" if names["active"] == "controller" else "BACKUP")[0]
    agents = {agent["agentId"]: agent for agent in api.post("agents", {"controllerId": "controller"})["agents"]}
    read: set[Any] = set()
    for id_, agent in agents.items():
        for subagent in agent.get("subagents") or [{"subagentId": agent["subagentId"]}]:
            lines, _ = page("agent/log", agentId=id_, subagentId=subagent["subagentId"])
            assert any("ready" in line or "listen" in line for line in lines), (subagent, lines)
            read.add(subagent.get("isDirector"))
    assert "NO_DIRECTOR" in read, "also that of a Subagent on its own, through its Director"
    running = api.post("joc/log/running", {"eventId": 0})
    assert running["eventId"] > 0 and any("active" in item["message"] for item in running["logEvents"])
    for path, members, code in (
        ("controller/log", {"level": "LOUD"}, "JOC-400"),
        ("controller/log", {"dateFrom": ""}, "JOC-406"),
        ("agent/log", {"agentId": "agent-1", "subagentId": "nobody"}, "JOC-400"),
        ("controller/log/next", {"logToken": "e30", "key": "Info/0/0"}, "JOC-400"),
    ):
        refused = api.call(path, {**of_controller, **members})
        assert (refused.status, refused.body["error"]["code"]) == (420, code), (path, members, refused.body)


def test_everybody_is_told_the_role_of_a_node_and_no_more(pairs: Pairs) -> None:
    pairs.until_ready("controller/controller")
    for name in FOLDERS:
        health = send(urllib.request.Request(pairs.url(name) + "/health")).body["cluster"]
        assert set(health) == {"nodeId", "phase", "state", "term", "watches", "silenceSeconds"}
        refused = send(urllib.request.Request(pairs.url(name) + "/controller/api/cluster/status"))
        assert refused.status == 401


def test_what_a_standing_passive_node_has_not_acknowledged_is_the_lag(pairs: Pairs) -> None:
    """With two of three watches standing still, too, nobody can declare it lost: the active node waits, and says so."""
    cluster = pairs.until_ready("controller/controller")
    names = {node["role"]: pairs.controller_of(node) for node in cluster["nodes"].values()}
    workflow = pairs.api.deploy("/lag", {"instructions": [], "jobs": {}})
    request = pairs.api.order_request(workflow, "lag")
    adding = threading.Thread(
        target=pairs.up.api().post_until_answered, args=("orders/add", request, "lag"), daemon=True
    )
    with pairs.stand_still(names["passive"], "witness-1", "witness-2"):
        adding.start()

        def is_lagging() -> dict[str, float] | None:
            figures = pairs.metrics(names["active"])
            return figures if figures.get("stellwerk_cluster_lag_events") else None

        lagging = wait_until(is_lagging, "a lag of the passive node")
        assert lagging["stellwerk_cluster_lag_bytes"] > lagging["stellwerk_cluster_lag_events"]
        assert (lagging["stellwerk_cluster_state"], lagging["stellwerk_cluster_active"]) == (3, 1)
        shown = pairs.until(
            "controller/controller",
            "the lag is shown, and that the node does not answer",
            lambda one: (
                any(link.get("lagEvents") for link in one["links"])
                and "LOST" in [node["state"] for node in one["nodes"].values()]
            ),
        )
        assert shown["can"]["switchOver"].endswith("does not answer.")
    adding.join(DEADLINE_SECONDS)
    assert not adding.is_alive(), "the order is accepted when the passive node goes on"
    pairs.until_ready("controller/controller")

    def is_settled() -> bool:
        figures = pairs.metrics(names["active"])
        return figures["stellwerk_cluster_lag_events"] == 0 and figures["stellwerk_cluster_watches_connected"] == 3

    wait_until(is_settled, "no lag, and all watches", DEADLINE_SECONDS)


def test_a_fail_over_is_told_with_the_node_that_was_lost(pairs: Pairs) -> None:
    cluster = pairs.until_ready("controller/controller")
    before_ms = time.time() * 1000
    [lost] = [node for node in cluster["nodes"].values() if node["role"] == "active"]
    [heir] = [node for node in cluster["nodes"].values() if node["role"] == "passive"]
    pairs.up.kill(pairs.controller_of(lost))

    def has_failed_over(one: dict[str, Any]) -> bool:
        return one["state"] == "FailedOver" and bool(one.get("lastChange", {}).get("event") == "ClusterFailedOver")

    after = pairs.until(cluster["id"], "failed over", has_failed_over)
    assert (after["active"], after["term"]) == (heir["id"], cluster["term"] + 1)
    assert (after["lastChange"]["lost"], after["lastChange"]["active"]) == (lost["name"], heir["name"])
    assert before_ms <= after["lastChange"]["time"] == after["since"]
    assert after["nodes"][lost["name"]]["state"] == "LOST"
    assert after["readiness"] == {"canFailOver": False, "reason": f"{lost['name']} does not answer"}
    title = f"Controller pair controller not coupled · running on {heir['name']} alone"
    wait_until(lambda: title in pairs.attention(), lambda: f"{title}: {pairs.attention()}", DEADLINE_SECONDS)
    figures = pairs.metrics(pairs.controller_of(heir))
    assert (figures["stellwerk_cluster_failovers_total"], figures["stellwerk_cluster_state"]) == (1, 7)
    assert "stellwerk_cluster_lag_events" not in figures, "what it cannot know is absent"

    pairs.up.restart(pairs.controller_of(lost))
    ready = pairs.until_ready(cluster["id"])
    assert ready["history"][0]["event"] == "ClusterCoupled"
    assert ready["lastChange"] == after["lastChange"]
    assert title not in pairs.attention()
    passive = pairs.metrics(pairs.controller_of(lost))
    assert (passive["stellwerk_cluster_can_fail_over"], passive["stellwerk_cluster_active"]) == (1, 0)
    assert passive["stellwerk_cluster_term"] == figures["stellwerk_cluster_term"]


def test_the_loss_of_a_director_waits_for_a_person_and_is_confirmed(pairs: Pairs) -> None:
    cluster_id = f"agent/{AGENT}"
    cluster = pairs.until_ready(cluster_id)
    assert cluster["readiness"]["needsConfirmation"] is True
    request = {"controllerId": "controller", "agentId": AGENT}
    early = pairs.api.call("agent/cluster/confirm_node_loss", request)
    assert (early.status, early.body["error"]["code"]) == (420, "JOC-400")
    [lost] = [node for node in cluster["nodes"].values() if node["role"] == "active"]
    pairs.kill_director(lost["name"])

    def is_asked(one: dict[str, Any]) -> bool:
        return one.get("lossToConfirm") == lost["name"] and one["can"]["confirmLoss"] is True

    asked = pairs.until(cluster_id, "a person is asked", is_asked)
    assert asked["active"] == lost["id"], "nobody has taken over"
    title = f"Directors of Agent {AGENT}: a person must confirm that {lost['name']} is stopped"
    wait_until(lambda: title in pairs.attention(), lambda: f"{title}: {pairs.attention()}", DEADLINE_SECONDS)

    assert pairs.api.call("agent/cluster/confirm_node_loss", request).status == 200
    after = pairs.until(cluster_id, "the other one takes over", lambda one: one["state"] == "FailedOver")
    assert after["active"] != lost["id"]
    wait_until(lambda: title not in pairs.attention(), lambda: str(pairs.attention()), DEADLINE_SECONDS)
    alone = pairs.api.call("agent/cluster/switchover", request)
    assert (alone.status, alone.body["error"]["code"]) == (420, "JOC-400")
    pairs.start_director(lost["name"])
    ready = pairs.until_ready(cluster_id)
    events = [change.get("event") for change in ready["history"]]
    assert events.index("ClusterFailedOver") < events.index("AgentClusterWatchManuallyConfirmed")
    assert events.index("AgentClusterWatchManuallyConfirmed") < events.index("AgentClusterWatchConfirmationRequired")


def test_people_switch_directors_over(pairs: Pairs) -> None:
    cluster_id = f"agent/{AGENT}"
    former = pairs.until_ready(cluster_id)
    request = {"controllerId": "controller", "agentId": AGENT}
    assert pairs.api.call("agent/cluster/switchover", request).status == 200
    pairs.until(cluster_id, "the other one is active", lambda one: one.get("active") not in (None, former["active"]))
    after = pairs.until_ready(cluster_id)
    assert after["term"] == former["term"] + 1
    unknown = pairs.api.call("agent/cluster/switchover", {**request, "agentId": "nobody"})
    assert (unknown.status, unknown.body["error"]["code"]) == (420, "JOC-400")
