"""A `Peer` without a network: the node lives in the same process (tests, simulation, `stellwerk run`).

It behaves as the HTTP peer does: bytes in and out, problems as problems, and a node that is not there is unreachable.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.journal import JournalFailedError
from stellwerk.node.node import Node
from stellwerk.values.events import decode_envelope
from stellwerk.values.problems import ProblemError

_READ_BYTES = 1 << 18


class DirectPeer:
    """Speaks as `user_id` to the node that `current` gives; None: it is down."""

    def __init__(self, current: Callable[[], Node[Any, Any] | None], user_id: str) -> None:
        self._current = current
        self._user_id = user_id

    def _node(self) -> Node[Any, Any]:
        node = self._current()
        if node is None:
            raise PeerUnreachableError("the node is not running")
        return node

    async def login(self) -> None:
        self._node()

    async def command(self, body: bytes) -> bytes:
        node = self._node()
        answer = await node.execute(body, self._user_id)
        if self._current() is not node:
            raise PeerUnreachableError("the node has ended while it executed the command")
        return answer

    async def events(
        self, *, after: int, returns: str = "Event", heartbeat_seconds: float = 1.0
    ) -> AsyncIterator[list[bytes]]:
        node = self._node()
        types = selected_types(node, returns)
        journal = node.readable_events()
        journal.check_after(after, True)
        yield []
        try:
            while self._current() is node:
                lines = journal.read_after(after, _READ_BYTES)
                if not lines:
                    if not await journal.wait_after(after, heartbeat_seconds):
                        yield []
                    continue
                after = decode_envelope(lines[-1]).event_id
                wanted = lines if types is None else [line for line in lines if decode_envelope(line).type in types]
                if wanted:
                    yield wanted
        except JournalFailedError:
            return  # the stream ends with the node

    async def close(self) -> None:
        """Nothing is open."""


def selected_types(node: Node[Any, Any], returns: str) -> frozenset[str] | None:
    """The event types of a `return=`; None for all. Raises `ProblemError` for an unknown name."""
    selected: set[str] = set()
    for name in returns.split(","):
        if name == "Event":
            return None
        if name not in node.FAMILIES:
            raise ProblemError(f"Unrecognized event type: return={returns}")
        selected |= node.FAMILIES[name]
    return frozenset(selected)
