"""`stellwerk up`: a whole installation on one machine (architecture, row `up`).

The contract for scripts: with `--json` the first line on standard output, written once everything is coupled and
usable, is `{"ready":true,"url":...,"account":"root","password":...,"components":{...}}`; SIGTERM stops all and returns
0; a second start on the same folder goes on. The password is shown once, by the start that has created the account.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from stellwerk.cli.database import SQLITE, Database
from stellwerk.cli.installation import (
    CONTROLLER_ID,
    Installation,
    is_port_free,
)
from stellwerk.cli.output import CommandError, print_json
from stellwerk.cli.rest import Cockpit, Target, local_token
from stellwerk.cli.supervisor import Component, Supervisor
from stellwerk.effects.system_disk import DirectoryLock, DuplicateStartError

ACCOUNT = "root"
COUPLED_TIMEOUT_SECONDS = 60.0


def components_of(
    installation: Installation, data: Path, password: str | None, *, has_database: bool = False
) -> list[Component]:
    """Controllers and Agents first: they start while the Cockpit's imports still run."""

    def component(name: str, folder: Path, command: str, port: int) -> Component:
        return Component(name, folder, [command, "--data", str(folder)], f"http://127.0.0.1:{port}")

    items = [component(name, data / name, "controller", port) for name, port in installation.controllers.items()]
    items += [component(name, data / name, "witness", port) for name, port in installation.witnesses.items()]
    items += [
        component(machine.name, data / "agents" / machine.name, machine.command, machine.port)
        for machine in installation.machines
    ]
    for name, port in installation.cockpits(has_database=has_database).items():
        cockpit = component(name, data / name, "cockpit", port)
        cockpit.arguments += ["--port", str(port)]
        if password is not None:
            cockpit.environment = {"STELLWERK_ADMIN_PASSWORD": password}
        items.append(cockpit)
    return items


class Up:
    """A running installation."""

    def __init__(self, data: Path, installation: Installation, password: str | None, supervisor: Supervisor) -> None:
        self.data = data
        self.installation = installation
        self.password = password
        self.supervisor = supervisor
        self.url = f"http://127.0.0.1:{installation.cockpit_port}"

    @property
    def target(self) -> Target:
        return Target(url=self.url, token=local_token(self.data), controller_id=CONTROLLER_ID)

    def description(self) -> dict[str, Any]:
        """The ready line."""
        components: dict[str, Any] = {"agents": {}}
        machines = {machine.name for machine in self.installation.machines}
        for item in self.supervisor.components:
            entry = {
                "pid": item.process.pid if item.process is not None else None,
                "url": item.url,
                "command": item.command,
            }
            group = components["agents"] if item.name in machines else components
            group[item.name] = entry
        return {
            "ready": True,
            "url": self.url,
            "account": ACCOUNT,
            "password": self.password,
            "components": components,
        }


@asynccontextmanager
async def installation_running(
    data: Path,
    *,
    port: int,
    agents: list[str],
    supervise: bool = False,
    cluster: bool = False,
    database_url: str | None = None,
) -> AsyncIterator[Up]:
    """Start everything, register what is new, wait until all is coupled; stop everything at the end.

    `cluster`: two Controllers with two witnesses; an Agent with two Directors, a Subagent and a bundle; and two
    Cockpits, where there is a PostgreSQL for them.
    """
    data = Path.cwd() / data
    data.mkdir(parents=True, exist_ok=True)
    try:
        lock = DirectoryLock(data, "up")
    except DuplicateStartError as error:
        raise CommandError(str(error), "stop the other one, or choose another --data") from error
    say = functools.partial(print, file=sys.stderr, flush=True)
    database = None
    try:
        known = Installation.read(data)
        if cluster or (known is not None and known.cluster is not None):
            cluster = True
            database = Database(data / "database", database_url or _kept_database(data, say))
        is_new = not (data / "cockpit" / "work").exists()
        url = None if database is None else await asyncio.to_thread(database.start, say)
        installation = Installation.open(data, port=port, agents=agents, cluster=cluster, database_url=url)
        if not is_port_free(installation.cockpit_port):
            raise CommandError(
                f"port {installation.cockpit_port} is in use", "choose another one with --port, or 0 for a free one"
            )
        given = os.environ.pop("STELLWERK_ADMIN_PASSWORD", None)
        password = (given or secrets.token_urlsafe(12)) if is_new else given
        items = components_of(installation, data, password if is_new else None, has_database=url is not None)
        supervisor = Supervisor(items, supervise=supervise, say=say)
        running = Up(data, installation, password, supervisor)
        try:
            await supervisor.start()
            await _register(running)
            yield running
        finally:
            await supervisor.stop()
    finally:
        if database is not None:
            await asyncio.to_thread(database.stop)
        lock.release()


def _kept_database(data: Path, say: Callable[[str], None]) -> str | None:
    """A Cockpit that has its data in SQLite stays there: in another database it would have none of it."""
    if not (data / "cockpit" / "cockpit.sqlite").exists():
        return None
    say("The Cockpit's data are in SQLite, so there is one Cockpit. Name another database with --database.")
    return SQLITE


async def _register(running: Up) -> None:
    """Make Controller and Agents known to the Cockpit, as a person would, and wait until all are coupled."""
    installation = running.installation
    async with Cockpit(running.target) as cockpit:
        known = (await cockpit.post("controllers")).get("controllers", [])
        if not any(item.get("controllerId") == CONTROLLER_ID for item in known):
            urls = [installation.url(port) for port in installation.controllers.values()]
            roles = ["STANDALONE"] if len(urls) == 1 else ["PRIMARY", "BACKUP"]
            nodes = [{"url": url, "role": role, "title": "Controller"} for url, role in zip(urls, roles, strict=True)]
            await cockpit.post("controller/register", {"controllerId": CONTROLLER_ID, "controllers": nodes})
        await _register_agents(cockpit, installation)
        await _coupled(cockpit, installation)
        await _add_bundles(cockpit, installation)


async def _register_agents(cockpit: Cockpit, installation: Installation) -> None:
    """Those that the Cockpit does not know yet, or knows as stand-alone ones that have become clustered."""
    request = {"controllerId": CONTROLLER_ID}
    rows = (await cockpit.post("agents/inventory", request))["agents"]
    known = {row["agentId"] for row in rows if row["deployed"]}
    rows = (await cockpit.post("agents/inventory/cluster", request))["agents"]
    clusters = {row["agentId"] for row in rows if row["deployed"]}
    clustered = [name for name in installation.agents if len(installation.machines_of(name)) > 1]
    if alone := [name for name in installation.agents if name not in known and name not in clustered]:
        agents = [
            {"agentId": name, "agentName": name, "url": installation.url(installation.agents[name])} for name in alone
        ]
        await cockpit.post("agents/inventory/store", {**request, "agents": agents})
        await cockpit.post("agents/inventory/deploy", {**request, "agentIds": alone})
    if new := [name for name in clustered if name not in clusters]:
        roles = ("PRIMARY_DIRECTOR", "SECONDARY_DIRECTOR", "NO_DIRECTOR")
        clustered_agents: list[dict[str, Any]] = [
            {
                "agentId": name,
                "agentName": name,
                "subagents": [
                    {"subagentId": machine.name, "url": installation.url(machine.port), "isDirector": role}
                    for machine, role in zip(installation.machines_of(name), roles, strict=True)
                ],
            }
            for name in new
        ]
        await cockpit.post("agents/inventory/cluster/store", {**request, "clusterAgents": clustered_agents})
        await cockpit.post("agents/inventory/cluster/deploy", {**request, "clusterAgentIds": new})


async def _add_bundles(cockpit: Cockpit, installation: Installation) -> None:
    """`NAME-all` for each clustered Agent: its machines in turn."""
    request = {"controllerId": CONTROLLER_ID}
    rows = (await cockpit.post("agents/cluster", request))["subagentClusters"]
    known = {row["subagentClusterId"] for row in rows if row["deployed"]}
    clusters = [
        {
            "agentId": name,
            "subagentClusterId": f"{name}-all",
            "subagentIds": [{"subagentId": machine.name, "priority": 1} for machine in machines],
        }
        for name in installation.agents
        if len(machines := installation.machines_of(name)) > 1 and f"{name}-all" not in known
    ]
    if clusters:
        await cockpit.post("agents/cluster/store", {**request, "subagentClusters": clusters})
        ids = [cluster["subagentClusterId"] for cluster in clusters]
        await cockpit.post("agents/cluster/deploy", {**request, "subagentClusterIds": ids})


async def _coupled(cockpit: Cockpit, installation: Installation) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + COUPLED_TIMEOUT_SECONDS
    while True:
        agents = (await cockpit.post("agents", {"controllerId": CONTROLLER_ID})).get("agents", [])
        waiting = {
            str(agent.get("agentId")): agent.get("errorMessage") or agent.get("state", {}).get("_text")
            for agent in agents
            if agent.get("state", {}).get("_text") != "COUPLED"
        }
        for name in installation.agents:
            if name not in {agent.get("agentId") for agent in agents}:
                waiting[name] = "not known yet"
        if not waiting:
            return
        if loop.time() > deadline:
            raise CommandError(f"Agents are not coupled: {waiting}", "see the logs below the data folder")
        await asyncio.sleep(0.02)


async def run_up(
    data: Path,
    *,
    port: int,
    agents: list[str],
    supervise: bool,
    as_json: bool,
    cluster: bool = False,
    database_url: str | None = None,
) -> int:
    """The command: run until SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    main = asyncio.current_task()
    is_ready = False

    def stop() -> None:
        stopped.set()
        if not is_ready and main is not None:
            main.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    with contextlib.suppress(asyncio.CancelledError):
        async with installation_running(
            data, port=port, agents=agents, supervise=supervise, cluster=cluster, database_url=database_url
        ) as running:
            is_ready = True
            if as_json:
                print_json(running.description())
            else:
                print(f"Stellwerk is ready: {running.url}")
                if running.password is not None:
                    print(f"  account {ACCOUNT}, password {running.password}   (shown only now)")
                print("  Ctrl-C stops everything", flush=True)
            await stopped.wait()
    return 0
