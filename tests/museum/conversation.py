"""What a Controller and an Agent have said to each other, recorded, and the Agent's part played again.

    conversation.jsonl      one entry a line, in the order of their happening:
        {"command": {...}, "answer": {...}}     what the Controller asked, and the Agent answered
        {"events": ["{...}", ...]}              lines of the Agent's event stream

The Controller that is played with need not send the same batches: a part of the events is told when it has sent, one
way or another, all that the recorded Controller had sent before.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from stellwerk.effects.peer import Peer
from stellwerk.values.events import decode_envelope

#: They depend on the time only.
_UNIMPORTANT = ("ReleaseEvents",)


class RecordingPeer:
    """A `Peer` that notes what passes it."""

    def __init__(self, peer: Peer, entries: list[dict[str, Any]]) -> None:
        self._peer = peer
        self._entries = entries

    async def login(self) -> None:
        await self._peer.login()

    async def command(self, body: bytes) -> bytes:
        entry: dict[str, Any] = {"command": json.loads(body)}
        self._entries.append(entry)
        answer = await self._peer.command(body)
        entry["answer"] = json.loads(answer)
        return answer

    async def events(
        self, *, after: int, returns: str = "Event", heartbeat_seconds: float = 1.0
    ) -> AsyncIterator[list[bytes]]:
        async for lines in self._peer.events(after=after, returns=returns, heartbeat_seconds=heartbeat_seconds):
            if lines:
                self._entries.append({"events": [line.decode() for line in lines]})
            yield lines

    async def close(self) -> None:
        await self._peer.close()


class RecordedAgent:
    """A `Peer`: the Agent as it was, to a Controller of today."""

    def __init__(self, file: Path) -> None:
        self.entries: list[dict[str, Any]] = [json.loads(line) for line in file.read_text().splitlines()]
        self._sent: Counter[str] = Counter()
        self._changed = asyncio.Condition()

    @property
    def lines(self) -> list[bytes]:
        """All events, in their order."""
        return [line.encode() for entry in self.entries for line in entry.get("events", ())]

    async def login(self) -> None:
        """Everybody may."""

    async def command(self, body: bytes) -> bytes:
        command = json.loads(body)
        async with self._changed:
            self._sent.update(_signs(command))
            self._changed.notify_all()
        if command["TYPE"] == "Batch":
            answers = [{"TYPE": "Accepted"}] * len(command["commands"])
            return json.dumps({"TYPE": "Batch.Response", "responses": answers}).encode()
        recorded = next(entry for entry in self.entries if entry.get("command", {}).get("TYPE") == command["TYPE"])
        return json.dumps(recorded["answer"]).encode()

    async def events(
        self, *, after: int, returns: str = "Event", heartbeat_seconds: float = 1.0
    ) -> AsyncIterator[list[bytes]]:
        yield []
        wanted: Counter[str] = Counter()
        for entry in self.entries:
            if "command" in entry:
                wanted.update(_signs(entry["command"]))
                continue
            async with self._changed:
                await self._changed.wait_for(lambda: not wanted - self._sent)
            lines = [line.encode() for line in entry["events"]]
            yield [line for line in lines if decode_envelope(line).event_id > after]
        while True:
            await asyncio.sleep(heartbeat_seconds)
            yield []

    async def close(self) -> None:
        """Nothing is open."""


def _signs(command: dict[str, Any]) -> list[str]:
    """What tells a command, or each of a Batch, from others."""
    if command["TYPE"] == "Batch":
        return [sign for element in command["commands"] for sign in _signs(element)]
    if command["TYPE"] in _UNIMPORTANT:
        return []
    about = (
        command.get("orderId")
        or command.get("order", {}).get("id")
        or command.get("item", {}).get("path")
        or command.get("item", {}).get("id")
        or (json.loads(command["signed"]["string"])["path"] if "signed" in command else "")
    )
    return [f"{command['TYPE']} {about}"]
