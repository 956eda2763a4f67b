"""Another node, as the component that connects to it sees it: commands and an event stream, in bytes.

HTTP with sessions lies below (`stellwerk.wire.client.HttpPeer`); the simulation gives in-process peers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol


class PeerUnreachableError(Exception):
    """The peer could not be asked, or its answer got lost: the third outcome beside answer and problem.

    The command may or may not have been executed. `is_refused`: its machine answered, but no process listens there.
    """

    def __init__(self, message: str, *, is_refused: bool = False) -> None:
        super().__init__(message)
        self.is_refused = is_refused


class Peer(Protocol):
    async def login(self) -> None:
        """Open a session. Raises `ProblemError` (e.g. InvalidLogin) or `PeerUnreachableError`."""
        ...

    async def command(self, body: bytes) -> bytes:
        """Execute one command, JSON in and JSON out; logs in (again) when needed.

        Raises `ProblemError` when the peer answered with a problem, `PeerUnreachableError` when the outcome is
        unknown.
        """
        ...

    def events(
        self, *, after: int, returns: str = "Event", heartbeat_seconds: float = 1.0
    ) -> AsyncIterator[list[bytes]]:
        """The acknowledged event stream (journal spec 1): batches of lines without line feed, as they arrive.

        An *empty* list is yielded once when the stream has been accepted, and for each heartbeat. The iterator ends
        when the stream ends. Raises `ProblemError` (`UnknownEventId`, ...) or `PeerUnreachableError` (also when no
        byte came for the idle timeout).
        """
        ...

    async def close(self) -> None:
        """Log out if possible, close connections."""
        ...
