"""`ActiveNodePeer`: a pair of cluster nodes as one peer, which is always the active one (cluster.md 1.12).

All nodes are asked for their state at once, and the first that says that it is active is spoken to until something says
that it is not any more: the problem ClusterNodeIsNotActive (nothing was executed, so the request is sent again to the
other one), no connection, or the end of a stream. Then all are asked again, at once and after short pauses.

A command whose answer got lost is not repeated here: as with any peer, its outcome is unknown. Knows no component; the
nodes' prefix (`controller`, `agent`) is theirs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Protocol, TypeVar

import msgspec

from stellwerk.effects.peer import Peer, PeerUnreachableError
from stellwerk.values.problems import ProblemError

T = TypeVar("T")

#: Between the questions, in seconds; the last one repeats.
PAUSES = (0.2, 0.5, 1.0, 1.0, 2.0)
#: So long an active node is looked for before the request is given up.
PATIENCE_SECONDS = 10.0
#: A node that does not say its state within this time is as good as not there.
ANSWER_SECONDS = 5.0
#: While a stream flows, its node is asked again whether it is active: a passive node serves events, too.
CHECK_SECONDS = 3.0

#: Problems that mean: I am not the active node (any more, or not yet); nothing was executed.
NOT_ACTIVE_CODES = frozenset(
    {"ClusterNodeIsNotActive", "ClusterNodeIsNotReady", "BackupClusterNodeNotAppointed", "ClusterModuleShuttingDown"}
)
#: Problems that no other node and no waiting will mend.
_HOPELESS_CODES = frozenset({"InvalidLogin"})


class NodePeer(Peer, Protocol):
    """One node of the cluster (`stellwerk.wire.client.HttpPeer`)."""

    async def get(self, path: str, query: Any = None) -> bytes: ...

    async def post(self, path: str, body: bytes, content_type: str = "application/json") -> bytes: ...

    def stream_get(self, path: str, query: Any = None) -> Any: ...


class ClusterNodeState(msgspec.Struct, frozen=True, rename="camel"):
    """What a node says of itself: `GET cluster?return=ClusterNodeState`."""

    node_id: str
    is_backup: bool
    cluster_state: dict[str, Any]

    @property
    def type(self) -> str:
        return str(self.cluster_state.get("TYPE", "Empty"))

    @property
    def setting(self) -> dict[str, Any]:
        setting = self.cluster_state.get("setting")
        return setting if isinstance(setting, dict) else {}

    @property
    def is_active(self) -> bool:
        """Without a cluster the node that is not the backup, else the one that the setting names (cluster.md 1.3)."""
        if self.type == "Empty":
            return not self.is_backup
        return self.node_id == self.setting.get("activeId")


_state_decoder = msgspec.json.Decoder(ClusterNodeState)


async def node_state(node: NodePeer) -> ClusterNodeState:
    """Ask one node. Raises `ProblemError`, `PeerUnreachableError`."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            answer = await node.get("cluster", {"return": "ClusterNodeState"})
    except TimeoutError:
        raise PeerUnreachableError(f"no answer about the cluster within {ANSWER_SECONDS:g} s") from None
    try:
        return _state_decoder.decode(answer)
    except msgspec.DecodeError as error:
        raise PeerUnreachableError(f"the answer about the cluster cannot be read: {error}") from error


class ActiveNodePeer:
    """The active one of `nodes`; implements `stellwerk.effects.peer.Peer`."""

    def __init__(
        self,
        nodes: Sequence[NodePeer],
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        pauses: Sequence[float] = PAUSES,
        check_seconds: float = CHECK_SECONDS,
    ) -> None:
        self.nodes = tuple(nodes)
        self._patience_seconds = patience_seconds
        self._pauses = tuple(pauses)
        self._check_seconds = check_seconds
        self._active: NodePeer | None = None
        self._selecting = asyncio.Lock()

    async def active(self) -> NodePeer:
        """The active node, looked for if it is not known.

        Raises `PeerUnreachableError` if there is none for the time of patience, `ProblemError` if logins are refused.
        """
        if self._active is not None:
            return self._active
        async with self._selecting:
            if self._active is None:
                self._active = await self._select()
            return self._active

    async def login(self) -> None:
        await (await self.active()).login()

    async def command(self, body: bytes) -> bytes:
        return await self._ask(lambda node: node.command(body))

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> bytes:
        return await self._ask(lambda node: node.get(path, query))

    async def post(self, path: str, body: bytes, content_type: str = "application/json") -> bytes:
        return await self._ask(lambda node: node.post(path, body, content_type))

    async def stream_get(self, path: str, query: Mapping[str, str] | None = None) -> AsyncIterator[bytes]:
        node = await self.active()
        try:
            async with aclosing(node.stream_get(path, query)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except (PeerUnreachableError, ProblemError) as error:
            self._doubt(node, error)
            raise

    async def events(
        self, *, after: int, returns: str = "Event", heartbeat_seconds: float = 1.0
    ) -> AsyncIterator[list[bytes]]:
        """The event stream of the active node; ends when the node is not active any more."""
        node = await self.active()
        time = asyncio.get_running_loop().time
        check_at = time() + self._check_seconds
        try:
            stream: Any = node.events(after=after, returns=returns, heartbeat_seconds=heartbeat_seconds)
            async with aclosing(stream) as batches:
                async for batch in batches:
                    yield batch
                    if time() >= check_at:
                        if not (await node_state(node)).is_active:
                            break
                        check_at = time() + self._check_seconds
                    if self._active is not node:
                        break
        except (PeerUnreachableError, ProblemError) as error:
            self._doubt(node, error)
            raise
        self._forget(node)

    async def close(self) -> None:
        await asyncio.gather(*(node.close() for node in self.nodes))

    async def _ask(self, ask: Callable[[NodePeer], Awaitable[T]]) -> T:
        """Ask the active node; again, when a node says that it is not the active one."""
        deadline = asyncio.get_running_loop().time() + self._patience_seconds
        attempt = 0
        while True:
            node = await self.active()
            try:
                return await ask(node)
            except (PeerUnreachableError, ProblemError) as error:
                self._doubt(node, error)
                if not isinstance(error, ProblemError) or error.problem.code not in NOT_ACTIVE_CODES:
                    raise
                pause = self._pause(attempt)
                if asyncio.get_running_loop().time() + pause > deadline:
                    raise
            # The node says by its state that it is active, and by this that it is not: it is changing just now.
            await asyncio.sleep(pause)
            attempt += 1

    def _doubt(self, node: NodePeer, error: PeerUnreachableError | ProblemError) -> None:
        if isinstance(error, PeerUnreachableError) or error.problem.code in NOT_ACTIVE_CODES:
            self._forget(node)

    def _forget(self, node: NodePeer) -> None:
        if self._active is node:
            self._active = None

    def _pause(self, attempt: int) -> float:
        return self._pauses[min(attempt, len(self._pauses) - 1)]

    async def _select(self) -> NodePeer:
        deadline = asyncio.get_running_loop().time() + self._patience_seconds
        attempt = 0
        while True:
            found = await self._first_active()
            if not isinstance(found, list):
                return found
            pause = self._pause(attempt)
            if asyncio.get_running_loop().time() + pause > deadline:
                reasons = "; ".join(dict.fromkeys(found))
                raise PeerUnreachableError(f"NoActiveClusterNode: no node of the cluster is active: {reasons}")
            await asyncio.sleep(pause)
            attempt += 1

    async def _first_active(self) -> NodePeer | list[str]:
        """The first node that says that it is active, or why each is not. Raises `ProblemError` for a refused login."""

        async def state_of(node: NodePeer) -> tuple[NodePeer, ClusterNodeState]:
            return node, await node_state(node)

        asking = [asyncio.ensure_future(state_of(node)) for node in self.nodes]
        reasons: list[str] = []
        refusal: ProblemError | None = None
        try:
            for following in asyncio.as_completed(asking):
                try:
                    node, state = await following
                except PeerUnreachableError as error:
                    reasons.append(str(error))
                except ProblemError as error:
                    reasons.append(str(error.problem))
                    if error.problem.code in _HOPELESS_CODES:
                        refusal = error
                else:
                    if state.is_active:
                        return node
                    reasons.append(f"{state.node_id} is passive")
        finally:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
        if refusal is not None:
            raise refusal
        return reasons
