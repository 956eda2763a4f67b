"""`ControllerClient`: commands and bulk interfaces of one Controller (orders spec 7, journal spec 3.2).

Guarantees: a call returns after the Controller's commit. A problem of the Controller is raised as `ProblemError` with
its own text; `PeerUnreachableError` says that the outcome is unknown. Nothing is repeated except where the caller says
that repeating is harmless. Must not know: the database, HTTP of the Cockpit.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from typing import Any

from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.values.events import decode_envelope
from stellwerk.values.json import decode, encode
from stellwerk.values.problems import Problem, ProblemError
from stellwerk.wire.active_node import NOT_ACTIVE_CODES, ActiveNodePeer, NodePeer
from stellwerk.wire.client import line_batches

#: A Batch must stay below the Controller's limit of 8 MiB for one command.
MAXIMUM_BATCH_BYTES = 7_500_000


#: A peer with the HTTP interfaces of a Controller's node. Paths are relative to `/controller/api`.
ControllerPeer = NodePeer

#: A Controller that starts or stops is as good as none: nothing was done.
_NOT_READY_CODES = NOT_ACTIVE_CODES | {
    "ControllerIsNotReady",
    "ControllerIsShuttingDown",
    "ShuttingDown",
    "WebServiceStillNotAvailable",
}


class ControllerClient:
    """One registered Controller."""

    def __init__(self, controller_id: str, peer: ControllerPeer) -> None:
        self.controller_id = controller_id
        self.peer = peer

    @property
    def nodes(self) -> tuple[ControllerPeer, ...]:
        """A peer for each node, in the order of the registration; the primary one first."""
        return self.peer.nodes if isinstance(self.peer, ActiveNodePeer) else (self.peer,)

    async def command(self, command: Mapping[str, Any], *, repeatable: bool = False) -> Any:
        """Execute one command and give its decoded answer.

        `repeatable`: executing it twice is the same as once; then it is tried once more when the answer got lost.
        """
        return await self._encoded_command(encode(command), repeatable=repeatable)

    async def _encoded_command(self, body: bytes, *, repeatable: bool) -> Any:
        return decode(await self._ask(lambda: self.peer.command(body), repeatable=repeatable))

    async def _ask(self, ask: Callable[[], Awaitable[bytes]], *, repeatable: bool) -> bytes:
        with self._plain_problems():
            try:
                return await ask()
            except PeerUnreachableError:
                if not repeatable:
                    raise
            return await ask()

    @contextmanager
    def _plain_problems(self) -> Iterator[None]:
        """A Controller that is not ready is unreachable; a refused login says what to mend."""
        try:
            yield
        except ProblemError as error:
            if error.problem.code in _NOT_READY_CODES:
                text = f"Controller '{self.controller_id}' is not ready: {error.problem}"
                raise PeerUnreachableError(text) from error
            if error.problem.code != "InvalidLogin":
                raise
            raise ProblemError(
                Problem(
                    message=f"Controller '{self.controller_id}' refuses the login of the Cockpit: user and password in "
                    f"private/controllers/{self.controller_id}.toml must be those that the Controller knows",
                    code="InvalidLogin",
                )
            ) from error

    async def keys_of_events(self, event_type: str, after: int) -> set[Any]:
        """Keys of the events of a type behind an event id, up to now. Raises `ProblemError` when they are torn."""
        query = {"return": event_type, "after": str(after), "timeout": "0s"}
        keys: set[Any] = set()
        with self._plain_problems():
            async with aclosing(line_batches(self.peer.stream_get("event", query))) as batches:
                async for lines in batches:
                    keys.update(decode_envelope(line).key for line in lines)
        return keys

    async def batch(
        self, commands: Sequence[Mapping[str, Any]], *, repeatable: bool = False
    ) -> list[dict[str, Any] | Problem]:
        """Execute commands one by one, each its own transaction; an answer or a problem for each, in order.

        A problem with the call as such (login refused, Controller not ready) is raised, and nothing was executed by it.
        """
        results: list[dict[str, Any] | Problem] = []
        for part in _parts([encode(command) for command in commands]):
            body = b'{"TYPE":"Batch","commands":[' + b",".join(part) + b"]}"
            answer = await self._encoded_command(body, repeatable=repeatable)
            results += [_result(item) for item in answer["responses"]]
        return results

    async def update_items(self, operations: Iterable[Mapping[str, Any]]) -> None:
        """Add, change, delete items in one transaction. Repeated once when the answer got lost: that is harmless."""
        body = b"\n".join(encode(operation) for operation in operations) + b"\n"
        await self._ask(lambda: self.peer.post("item", body, "application/x-ndjson"), repeatable=True)

    async def overview(self) -> dict[str, Any]:
        """Id, version, start, system: no login is needed for it."""
        answer = decode(await self.peer.get(""))
        if not isinstance(answer, dict) or not isinstance(answer.get("id"), str):
            raise ProblemError("The answer is not that of a Controller: it has no id")
        return answer

    async def close(self) -> None:
        await self.peer.close()


def _parts(encoded: Sequence[bytes]) -> list[list[bytes]]:
    """Slices that fit into one Batch command each."""
    parts: list[list[bytes]] = []
    size = MAXIMUM_BATCH_BYTES
    for item in encoded:
        if size + len(item) >= MAXIMUM_BATCH_BYTES:
            parts.append([])
            size = 0
        parts[-1].append(item)
        size += len(item) + 1
    return parts


def _result(answer: dict[str, Any]) -> dict[str, Any] | Problem:
    if answer.get("TYPE") != "Problem":
        return answer
    return Problem(
        message=str(answer.get("message", "")), code=answer.get("code"), arguments=answer.get("arguments") or {}
    )
