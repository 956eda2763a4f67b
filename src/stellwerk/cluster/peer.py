"""The other node of the pair, as a node sees it: commands, the journal, acknowledgements; and over HTTP.

All methods raise `ProblemError` for what the peer refuses and `PeerUnreachableError` when nothing is known.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, Protocol

import msgspec

from stellwerk.cluster.messages import ClusterCommand, ClusterNodeState, node_state_decoder
from stellwerk.values.json import encode
from stellwerk.values.problems import Problem, ProblemError
from stellwerk.wire.client import line_batches
from stellwerk.wire.request import decode_json


class JournalFile(msgspec.Struct, rename="camel"):
    file_event_id: int


class JournalInfo(msgspec.Struct, rename="camel"):
    """`GET journalInfo`: the files, ascending, and the newest committed event."""

    last_event_id: int
    journal_files: list[JournalFile]

    @property
    def files(self) -> list[int]:
        return [file.file_event_id for file in self.journal_files]


_journal_info_decoder = msgspec.json.Decoder(JournalInfo)


class ClusterPeer(Protocol):
    async def node_state(self) -> ClusterNodeState:
        """What it says of itself and of the cluster (cluster spec 1.12)."""
        ...

    async def command(self, command: ClusterCommand) -> bytes:
        """Execute a cluster command (1.6)."""
        ...

    def journal(self, file_event_id: int, position: int, heartbeat_seconds: float) -> AsyncIterator[bytes]:
        """The file's bytes from `position` on (journal spec 4.11): `b""` first, `b"\\n"` as heartbeat, END_OF_FILE."""
        ...

    async def journal_info(self) -> JournalInfo:
        """Which files it has, and its newest event."""
        ...

    def acknowledgements(self, heartbeat_seconds: float) -> AsyncIterator[list[int]]:
        """EventIds that it has durably, growing (1.7.2); an empty list as heartbeat."""
        ...

    async def close(self) -> None: ...


#: Makes a peer for an address.
ClusterPeerFactory = Callable[[str], ClusterPeer]


_problem_decoder = msgspec.json.Decoder(Problem)


class ApiPeer(Protocol):
    """A node's HTTP interfaces, relative to its API (`stellwerk.wire.client.HttpPeer`)."""

    async def get(self, path: str, query: Any = None) -> bytes: ...

    async def post(self, path: str, body: bytes) -> bytes: ...

    def stream_get(self, path: str, query: Any = None) -> Any: ...

    async def close(self) -> None: ...


class HttpClusterPeer:
    """`ClusterPeer` and `watcher.WatchedNode` over HTTP."""

    def __init__(self, peer: ApiPeer) -> None:
        self._peer = peer

    async def node_state(self) -> ClusterNodeState:
        answer = await self._peer.get("cluster", {"return": "ClusterNodeState"})
        state: ClusterNodeState = decode_json(node_state_decoder, answer)
        return state

    async def command(self, command: ClusterCommand) -> bytes:
        return await self._peer.post("cluster/command", encode(command))

    async def journal(self, file_event_id: int, position: int, heartbeat_seconds: float) -> AsyncIterator[bytes]:
        query: dict[str, str | int | float] = {
            "file": file_event_id,
            "position": position,
            "heartbeat": format(heartbeat_seconds, "g"),
            "markEOF": "true",
        }
        async with aclosing(self._peer.stream_get("journal", query)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def journal_info(self) -> JournalInfo:
        info: JournalInfo = decode_json(_journal_info_decoder, await self._peer.get("journalInfo"))
        return info

    async def acknowledgements(self, heartbeat_seconds: float) -> AsyncIterator[list[int]]:
        query: dict[str, str | int | float] = {"onlyAcks": "true", "heartbeat": format(heartbeat_seconds, "g")}
        async with aclosing(self._peer.stream_get("event", query)) as chunks, aclosing(line_batches(chunks)) as batches:
            async for lines in batches:
                if lines and lines[-1][:1] == b"{":
                    raise ProblemError(_problem_decoder.decode(lines[-1]))
                yield [int(line) for line in lines]

    async def watch_messages(self, watch_id: str, keep_alive_seconds: float) -> AsyncIterator[list[bytes]]:
        """See `watcher.WatchedNode`."""
        query: dict[str, str | int | float] = {
            "clusterWatchId": watch_id,
            "keepAlive": format(keep_alive_seconds, "g"),
        }
        path = "cluster/clusterWatchMessage"
        async with aclosing(self._peer.stream_get(path, query)) as chunks, aclosing(line_batches(chunks)) as batches:
            async for lines in batches:
                yield lines

    async def close(self) -> None:
        await self._peer.close()


async def acknowledgement_lines(ids: AsyncIterator[list[int]]) -> AsyncIterator[bytes]:
    """The stream as a server gives it (journal spec 1.8): a Problem ends it as a line of its own."""
    try:
        async for batch in ids:
            yield b"%d\n" % batch[-1] if batch else b"\n"
    except ProblemError as error:
        yield encode(error.problem.to_http()) + b"\n"
