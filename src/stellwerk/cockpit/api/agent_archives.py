"""`/agents/export`, `/agents/import`: Agents in archives, one `<agentId>.agent.json` for each (cockpit-api 2.3)."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import msgspec

from stellwerk.cockpit.api.agent_clusters import (
    ClusterAgentRequest,
    SubagentClusterRequest,
    cluster_agent_view,
    subagent_cluster_view,
)
from stellwerk.cockpit.api.agents import MANAGE, AgentRequest, agent_view
from stellwerk.cockpit.api.decoding import Reader, RequestError, first_json_value
from stellwerk.cockpit.api.downloads import download
from stellwerk.cockpit.api.errors import ApiError, BadRequest, MissingParameter
from stellwerk.cockpit.api.routes import Answer, Ok, RequestContext, Route
from stellwerk.cockpit.archives import ArchiveError, ArchiveFormat, Entry, read_archive, write_archive
from stellwerk.cockpit.controllers.agent_clusters import AgentClusters
from stellwerk.cockpit.controllers.registry import Registry
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.values.json import encode

SUFFIX = ".agent.json"
#: What the Controller and this Cockpit say of an Agent does not go with it.
_LOCAL = frozenset({"controllerId", "deployed", "syncState", "ordering"})


class ExportFile(msgspec.Struct, rename="camel"):
    filename: str
    format: Literal["ZIP", "TAR_GZ"] = "ZIP"


class ExportRequest(msgspec.Struct, rename="camel"):
    export_file: ExportFile
    agent_ids: list[str]


class ImportRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    format: Literal["ZIP", "TAR_GZ"] = "ZIP"
    overwrite: bool = False


class AgentFile(msgspec.Struct, rename="camel"):
    """The content of an entry: one of the two."""

    standalone_agent: AgentRequest | None = None
    agent_cluster: ClusterAgentRequest | None = None
    subagent_clusters: list[SubagentClusterRequest] = []

    @property
    def agent_id(self) -> str:
        agent = self.standalone_agent or self.agent_cluster
        return "" if agent is None else agent.agent_id


_reader: Reader[AgentFile] = Reader(AgentFile)


class ImportFailure(ApiError):
    """JOC-417: why an archive cannot be imported."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="JOC-417", kind="JocImportException")


async def export(context: RequestContext, request: ExportRequest) -> Answer:
    """An archive of Agents, with their Subagents and Subagent clusters."""
    agents = await context.services.get(Registry).agents(None, request.agent_ids)
    missing = set(request.agent_ids) - {agent.agent_id for agent in agents}
    if missing or not request.agent_ids:
        raise BadRequest(f"unknown Agents: {', '.join(sorted(missing))}" if missing else "no agentIds given")
    for agent in agents:
        context.require(MANAGE, agent.controller_id)
    bundles = await context.services.get(AgentClusters).clusters(None, request.agent_ids)
    entries = []
    for agent in agents:
        content: dict[str, Any]
        if agent.subagents:
            own = [subagent_cluster_view(item) for item in bundles if item.agent_id == agent.agent_id]
            content = {"agentCluster": _portable(cluster_agent_view(agent)), "subagentClusters": _portable(own)}
        else:
            content = {"standaloneAgent": _portable(agent_view(agent))}
        entries.append(Entry(agent.agent_id + SUFFIX, encode(content)))
    file = request.export_file
    data = await asyncio.to_thread(write_archive, entries, ArchiveFormat(file.format), modified_ms=context.now_ms())
    return download(file.filename, data)


def _portable(value: Any) -> Any:
    if isinstance(value, list):
        return [_portable(element) for element in value]
    if isinstance(value, dict):
        return {name: _portable(member) for name, member in value.items() if name not in _LOCAL}
    return value


async def import_(context: RequestContext, request: ImportRequest) -> Ok:
    """Store the Agents of an archive for a Controller; they are not deployed.

    Those that are known stay as they are unless `overwrite` is given.
    """
    upload = context.files.get("file")
    if upload is None:
        raise MissingParameter("file")
    registry, clusters = context.services.get(Registry), context.services.get(AgentClusters)
    await registry.controller(request.controller_id)
    try:
        entries = await asyncio.to_thread(read_archive, upload.data, ArchiveFormat(request.format))
    except ArchiveError as error:
        raise ImportFailure(f"{upload.filename}: {error}") from error
    files = [_read(entry) for entry in entries if entry.name.endswith(SUFFIX)]
    if not files:
        raise ImportFailure(f"{upload.filename}: the archive holds no entry *{SUFFIX}")
    known = {agent.agent_id for agent in await registry.agents(request.controller_id)}
    for file in files:
        if file.agent_id in known and not request.overwrite:
            continue
        if file.standalone_agent is not None:
            await registry.store_agents([file.standalone_agent.instance(request.controller_id)])
        elif file.agent_cluster is not None:
            await clusters.store_agent(file.agent_cluster.instance(request.controller_id))
            await clusters.store_clusters([item.cluster(request.controller_id) for item in file.subagent_clusters])
    await context.services.get(Inventory).revalidate_invalid_workflows()
    return context.ok()


def _read(entry: Entry) -> AgentFile:
    try:
        file = _reader.read(first_json_value(entry.data))
    except RequestError as error:
        raise ImportFailure(f"{entry.name}: {error}") from None
    if (file.standalone_agent is None) == (file.agent_cluster is None):
        raise ImportFailure(f"{entry.name}: one of standaloneAgent and agentCluster is needed")
    return file


ROUTES = [
    Route("/agents/export", ExportRequest, bytes, MANAGE, True, export, category="CONTROLLER"),
    Route("/agents/import", ImportRequest, Ok, MANAGE, True, import_, category="CONTROLLER", form=True),
]
