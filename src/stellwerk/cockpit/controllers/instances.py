"""What is registered: nodes of Controllers, Agents, Subagents; and the items that Agents are at their Controllers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.language.names import is_name

T = TypeVar("T")
NO_DIRECTOR, PRIMARY_DIRECTOR, SECONDARY_DIRECTOR = 0, 1, 2


def all_of(found: Mapping[str, T], ids: Sequence[str], kind: str, member: str, controller_id: str) -> list[T]:
    """What has been found under the ids that a request names in `member`, in their order.

    Raises `BadRequest` naming those that the Controller has not, or if there are none.
    """
    if not ids:
        raise BadRequest(f"no {member} given")
    unknown = [id_ for id_ in ids if id_ not in found]
    if unknown:
        raise BadRequest(f"unknown {kind} of Controller '{controller_id}': {', '.join(unknown)}")
    return [found[id_] for id_ in ids]


def moved_behind(ids: Sequence[str], id_: str, predecessor: str | None) -> list[str]:
    """The ids with `id_` behind `predecessor`, or first. Raises `BadRequest` for one that is not among them."""
    for name in (id_, *((predecessor,) if predecessor else ())):
        if name not in ids:
            raise BadRequest(f"'{name}' is unknown")
    if id_ == predecessor:
        raise BadRequest(f"'{id_}' cannot stand behind itself")
    others = [name for name in ids if name != id_]
    place = others.index(predecessor) + 1 if predecessor else 0
    return [*others[:place], id_, *others[place:]]


class ControllerInstance(msgspec.Struct, frozen=True):
    """One node of a registered Controller."""

    id: int
    controller_id: str
    uri: str
    cluster_uri: str | None
    title: str | None
    version: str | None
    os: str | None
    host: str | None
    started_at: int | None
    is_cluster: bool
    is_primary: bool
    security_level: str = "LOW"

    @property
    def role(self) -> str:
        if not self.is_cluster:
            return "STANDALONE"
        return "PRIMARY" if self.is_primary else "BACKUP"


class NewNode(msgspec.Struct, frozen=True):
    """A node of a Controller that is to be registered. `cluster_url`: how the nodes reach each other; None: `url`."""

    url: str
    is_primary: bool = True
    cluster_url: str | None = None
    title: str | None = None


class SubagentInstance(msgspec.Struct, frozen=True):
    """One machine of an Agent. `is_director`: NO_DIRECTOR, PRIMARY_DIRECTOR or SECONDARY_DIRECTOR."""

    subagent_id: str
    uri: str
    is_director: int = NO_DIRECTOR
    title: str | None = None
    disabled: bool = False
    #: The Controller has it, perhaps in a former state.
    deployed: bool = False


class AgentInstance(msgspec.Struct, frozen=True):
    """One registered Agent. `uri` and `subagent_id` are those of its (primary) Director."""

    controller_id: str
    agent_id: str
    agent_name: str
    uri: str
    aliases: tuple[str, ...] = ()
    title: str | None = None
    process_limit: int | None = None
    hidden: bool = False
    disabled: bool = False
    deployed: bool = False
    ordering: int = 0
    failover_confirmation: bool = False
    #: Of a clustered Agent, the primary Director's first; none: it stands alone.
    subagents: tuple[SubagentInstance, ...] = ()

    @property
    def subagent_id(self) -> str:
        return self.machines[0].subagent_id

    @property
    def machines(self) -> tuple[SubagentInstance, ...]:
        """All Subagents, also the only one of a stand-alone Agent."""
        if self.subagents:
            return self.subagents
        return (SubagentInstance(self.agent_id, self.uri, PRIMARY_DIRECTOR, self.title, self.disabled),)


def agent_operations(agent: AgentInstance) -> list[dict[str, Any]]:
    """The item operations that make an Agent known to its Controller: the AgentRef, then its SubagentItems."""
    return [reference_operation(agent), *(subagent_operation(agent.agent_id, item) for item in agent.machines)]


def reference_operation(agent: AgentInstance) -> dict[str, Any]:
    """The operation for the AgentRef."""
    directors = [item for item in agent.machines if item.is_director != NO_DIRECTOR]
    reference: dict[str, Any] = {
        "TYPE": "AgentRef",
        "path": agent.agent_id,
        "directors": [item.subagent_id for item in sorted(directors, key=lambda item: item.is_director)],
    }
    if agent.process_limit is not None:
        reference["processLimit"] = agent.process_limit
    if agent.failover_confirmation:
        reference["requireFailoverConfirmation"] = True
    return {"TYPE": "AddOrChangeSimple", "item": reference}


def subagent_operation(agent_id: str, item: SubagentInstance) -> dict[str, Any]:
    """The operation for one SubagentItem."""
    content = {
        "TYPE": "SubagentItem",
        "id": item.subagent_id,
        "agentPath": agent_id,
        "uri": item.uri,
        "disabled": item.disabled,
    }
    return {"TYPE": "AddOrChangeSimple", "item": content}


def clustered(agent_id: str, machines: Sequence[SubagentInstance]) -> tuple[SubagentInstance, ...]:
    """A single Subagent with the Agent's own id is that of a stand-alone Agent."""
    if len(machines) == 1 and machines[0].subagent_id == agent_id:
        return ()
    return tuple(machines)


def check_agent(agent: AgentInstance) -> None:
    check_id("Agent Id", agent.agent_id)
    if not agent.agent_name.strip():
        raise BadRequest(f"the Agent '{agent.agent_id}' needs a name")
    if agent.process_limit is not None and agent.process_limit < 0:
        raise BadRequest("processLimit must not be negative")
    for machine in agent.machines:
        check_id("Subagent Id", machine.subagent_id)
        check_url(machine.uri)
    roles = [machine.is_director for machine in agent.machines]
    if roles[0] != PRIMARY_DIRECTOR or roles.count(PRIMARY_DIRECTOR) > 1 or roles.count(SECONDARY_DIRECTOR) > 1:
        raise BadRequest(
            f"the Agent '{agent.agent_id}' needs one PRIMARY_DIRECTOR, as its first Subagent, and at most one "
            "SECONDARY_DIRECTOR"
        )
    for values in ([item.subagent_id for item in agent.machines], [item.uri for item in agent.machines]):
        if len(set(values)) != len(values):
            raise BadRequest(f"the Subagents of the Agent '{agent.agent_id}' need different ids and urls")


def check_id(what: str, text: str) -> None:
    if not is_name(text) or "/" in text:
        raise BadRequest(f"'{text}' is not a valid {what}: use letters, digits, '-', '_' and '.'")


def check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or any(character.isspace() for character in url):
        raise BadRequest(f"'{url}' is not a valid url: give http://host:port or https://host:port")
