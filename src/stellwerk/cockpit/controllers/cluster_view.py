"""Pairs of nodes as people see them (ui.md S15), from what the nodes say and what the projection has kept. Pure.

Nothing is guessed: what no node tells is absent. Times are epoch milliseconds; a node's ages are counted from the
moment it was asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from stellwerk.cluster.status import NodeStatus
from stellwerk.cockpit.controllers.cluster_history import ROLE_CHANGES, ClusterChange
from stellwerk.cockpit.controllers.cluster_survey import NodeAnswer
from stellwerk.cockpit.projection.clusters import CONFIRMED, TO_BE_CONFIRMED
from stellwerk.engine.events.cluster import BACKUP, PRIMARY

SHOWN_CHANGES = 20
#: `Phase` → state of the node; a passive node's depends on the pair.
_PHASES = {"active": "RUNNING", "starting": "STARTING", "undecided": "STARTING", "stopped": "SHUTDOWN"}
_LINKS = {"Coupled": "COUPLED", "PreparedToBeCoupled": "COUPLING"}

#: True, or why not.
Permission = bool | str


class Journal(msgspec.Struct, frozen=True):
    """Bytes: of the files kept, and free on their disk."""

    bytes: int
    free: int


class Certificate(msgspec.Struct, frozen=True):
    end: int


class Node(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A process. `cluster`: the id of the cluster it belongs to; `name`: its id there."""

    id: str
    kind: str
    state: str
    role: str | None = None
    url: str | None = None
    version: str | None = None
    started_at: int | None = None
    message: str | None = None
    cluster: str | None = None
    name: str | None = None
    controller_id: str | None = None
    #: Of a Director, and of a Cockpit.
    subagent_id: str | None = None
    member_id: str | None = None
    term: int | None = None
    #: When it was last heard of: a Cockpit's heart beat.
    last_seen: int | None = None
    journal: Journal | None = None
    cert: Certificate | None = None
    can: dict[str, Permission] = {}


class Link(
    msgspec.Struct,
    frozen=True,
    omit_defaults=True,
    rename={"from_": "from", "last_seen": "lastSeen", "lag_events": "lagEvents", "lag_bytes": "lagBytes"},
):
    """From a node (or cluster) to another one, by their ids. `last_seen`: when `to` has last heard `from`."""

    from_: str
    to: str
    state: str
    since: int | None = None
    last_seen: int | None = None
    lag_events: int | None = None
    lag_bytes: int | None = None
    error: str | None = None


class Watch(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """`decides`: its word counts."""

    id: str
    connected: bool
    decides: bool
    last_seen: int | None = None


class Readiness(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Whether the passive node takes over when the active one is lost now, and why not.

    `silence_limit`: milliseconds after which it asks to when the active one only falls silent.
    """

    can_fail_over: bool
    reason: str | None = None
    silence_limit: int | None = None
    needs_confirmation: bool = False


class Cluster(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", kw_only=True):
    """A pair of Controllers or Directors, or the Cockpits that share a database. `state` as in cluster.md 1.3."""

    id: str
    kind: str
    name: str
    state: str
    nodes: list[str]
    controller_id: str | None = None
    agent_id: str | None = None
    since: int | None = None
    term: int | None = None
    active: str | None = None
    readiness: Readiness | None = None
    watches: list[Watch] = []
    watches_needed: int | None = None
    #: The name of the node whose loss a person has to confirm.
    loss_to_confirm: str | None = None
    last_change: ClusterChange | None = None
    history: list[ClusterChange] = []
    can: dict[str, Permission] = {}


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one pair, to be shown."""

    kind: str
    name: str
    controller_id: str
    agent_id: str | None = None
    #: The primary one first.
    answers: Sequence[NodeAnswer]
    changes: Sequence[ClusterChange]
    loss_to_confirm: str | None = None
    needs_confirmation: bool = False


def pair_view(pair: Pair) -> tuple[Cluster, list[Node], list[Link]]:
    """The cluster, its two nodes, and the links between them; what people may do is added by the caller."""
    cluster_id = f"{pair.kind}/{pair.name}"
    kind = "director" if pair.kind == "agent" else pair.kind
    named = zip(_names(pair.answers), pair.answers, strict=True)
    by_name = dict(sorted(named, key=lambda item: item[0] != PRIMARY))
    names = list(by_name)
    nodes = [
        node_view(f"{pair.name}/{name}", kind, answer, cluster=cluster_id, name=name, controller_id=pair.controller_id)
        for name, answer in by_name.items()
    ]
    leading = max(
        (answer for answer in pair.answers if answer.status is not None and answer.status.state is not None),
        key=lambda answer: (_status(answer).term, _status(answer).phase == "active"),
        default=None,
    )
    own = (change for change in pair.changes if change.state not in (TO_BE_CONFIRMED, CONFIRMED))
    newest = next(own, None)
    if leading is None:
        state, active, term = "Unknown", None, None
    else:
        status = _status(leading)
        state, active, term = status.state or "Unknown", status.active_id, status.term
    passive = next((name for name in names if name != active), None) if active is not None else None
    is_told = newest is not None and newest.state == state
    cluster = Cluster(
        id=cluster_id,
        kind=pair.kind,
        name=pair.name,
        state=state,
        nodes=[node.id for node in nodes],
        controller_id=pair.controller_id,
        agent_id=pair.agent_id,
        since=newest.time if newest is not None and is_told else None,
        term=term,
        active=None if active is None else f"{pair.name}/{active}",
        readiness=_readiness(passive, by_name, needs_confirmation=pair.needs_confirmation),
        watches=_watches(leading),
        watches_needed=None if leading is None else _status(leading).watches_needed or None,
        loss_to_confirm=pair.loss_to_confirm,
        last_change=next((change for change in pair.changes if change.event in ROLE_CHANGES), None),
        history=list(pair.changes[:SHOWN_CHANGES]),
    )
    links = [] if active is None or passive is None else _links(pair.name, active, passive, by_name, cluster)
    return cluster, nodes, links


def node_view(id_: str, kind: str, answer: NodeAnswer, **others: Any) -> Node:
    """A node as it answers now."""
    status = answer.status
    common = {"subagent_id": answer.subagent_id, **others}
    if status is None:
        state = "LOST" if answer.error is not None else "UNKNOWN"
        return Node(id=id_, kind=kind, state=state, url=answer.uri, message=answer.error, **common)
    return Node(
        id=id_,
        kind=kind,
        state=_node_state(status),
        role=status.phase if status.phase in ("active", "passive") else None,
        url=answer.uri,
        version=status.version,
        started_at=status.started_at or None,
        message=None if status.phase in ("active", "passive") else status.phase,
        term=status.term if status.state is not None else None,
        journal=None if status.journal is None else Journal(status.journal.bytes, status.journal.free_bytes),
        cert=None if status.certificate_end is None else Certificate(status.certificate_end),
        **common,
    )


def _node_state(status: NodeStatus) -> str:
    if status.phase == "passive":
        return "COUPLED" if status.state == "Coupled" else "COUPLING"
    return _PHASES.get(status.phase, "OUTSTANDING")


def _names(answers: Sequence[NodeAnswer]) -> list[str]:
    """Node ids: as the nodes say; of one that says nothing, the id that is left."""
    told = (one.status.id_to_uri for one in answers if one.status is not None and one.status.id_to_uri)
    known = list(next(told, (PRIMARY, BACKUP)))
    said = [one.node_id or (one.status.node_id if one.status is not None else None) for one in answers]
    if len(set(said)) < len(said):
        return known  # neither answers, or both are fresh and do not know yet which one they are
    left = [name for name in known if name not in said]
    return [name if name is not None else left.pop(0) for name in said]


def _status(answer: NodeAnswer) -> NodeStatus:
    assert answer.status is not None
    return answer.status


def _seen(answer: NodeAnswer | None, silence_seconds: float | None) -> int | None:
    if answer is None or silence_seconds is None:
        return None
    return answer.asked_ms - round(silence_seconds * 1000)


def _watches(leading: NodeAnswer | None) -> list[Watch]:
    if leading is None:
        return []
    return [
        Watch(watch.id, watch.is_connected, watch.is_wanted, _seen(leading, watch.silence_seconds))
        for watch in _status(leading).watches
    ]


def _readiness(passive: str | None, by_name: dict[str, NodeAnswer], *, needs_confirmation: bool) -> Readiness:
    if passive is None:
        return Readiness(False, "no node of the pair answers")
    status = by_name[passive].status
    if status is None:
        how = "does not answer" if by_name[passive].error is not None else "has not answered yet"
        return Readiness(False, f"{passive} {how}")
    if status.readiness is None:
        return Readiness(False, f"{passive} does not say whether it is ready")
    limit = None if status.silence_limit_seconds is None else round(status.silence_limit_seconds * 1000)
    return Readiness(status.readiness.can_fail_over, status.readiness.reason, limit, needs_confirmation)


def _links(name: str, active: str, passive: str, by_name: dict[str, NodeAnswer], cluster: Cluster) -> list[Link]:
    """The journal from the active to the passive node, and the acknowledgements back."""
    ends = {node: f"{name}/{node}" for node in (active, passive)}
    upper, lower = by_name[active].status, by_name[passive].status
    is_cut = lower is None or upper is None
    state = "LOST" if is_cut else _LINKS.get(cluster.state, "DECOUPLED")
    events, size = _lag(upper, lower)
    return [
        Link(
            from_=ends[active],
            to=ends[passive],
            state=state,
            since=cluster.since,
            last_seen=_seen(by_name[passive], None if lower is None else lower.silence_seconds),
            lag_events=events,
            lag_bytes=size,
        ),
        Link(
            from_=ends[passive],
            to=ends[active],
            state=state,
            since=cluster.since,
            last_seen=_seen(by_name[active], None if upper is None else upper.silence_seconds),
        ),
    ]


def _lag(active: NodeStatus | None, passive: NodeStatus | None) -> tuple[int | None, int | None]:
    """While coupled the active node knows it; while the passive one catches up, the journals of both say it."""
    if active is not None and active.lag is not None:
        return active.lag.events, active.lag.bytes
    one = None if active is None else active.journal
    other = None if passive is None else passive.journal
    if one is None or other is None:
        return None, None
    is_same_file = one.file_event_id == other.file_event_id
    size = max(0, one.position - other.position) if is_same_file else None
    return max(0, one.event_count - other.event_count), size
