"""Commands Director → Subagent (cluster spec 3.2), as both sides know them.

On the wire a command stands alone or as `[number, command]`, its number in the Director's queue.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from stellwerk.engine.order import Order
from stellwerk.engine.requests import Command
from stellwerk.node.agent_commands import AttachSignedItem
from stellwerk.node.commands import NoOperation, ReleaseEvents
from stellwerk.values.json import decoder
from stellwerk.values.problems import ProblemError

Signal = Literal["SIGTERM", "SIGKILL"]


class HeartbeatTiming(msgspec.Struct, frozen=True, rename="camel"):
    """Seconds."""

    heartbeat: float
    heartbeat_timeout: float


class DedicateSubagent(Command, frozen=True, kw_only=True):
    """The first one fixes to whom the Subagent belongs in this run."""

    subagent_id: str
    agent_path: str
    agent_run_id: str
    controller_id: str


class DedicateSubagentResponse(
    msgspec.Struct, frozen=True, tag_field="TYPE", tag="DedicateSubagent.Response", rename="camel"
):
    subagent_run_id: str
    subagent_event_id: int = 0
    version: str = ""


class CoupleDirector(Command, frozen=True, kw_only=True):
    """From now on the sender's session is the one whose commands are executed. Releases events up to `event_id`.

    `term` grows with each activation of a Director (an optional member of ours): lower ones are refused for ever.
    """

    subagent_id: str
    subagent_run_id: str
    event_id: int
    heartbeat_timing: HeartbeatTiming
    term: int = 0


class CoupleDirectorResponse(
    msgspec.Struct, frozen=True, tag_field="TYPE", tag="CoupleDirector.Response", rename="camel"
):
    version: str = ""


class StartOrderProcess(Command, frozen=True, kw_only=True):
    """`order` is in state Processing. `end_of_admission_period` in epoch milliseconds.

    `attempt` is the EventId of OrderProcessingStarted (an optional member of ours), by which the job's processes are
    recognised; without it the Subagent makes one up.
    """

    order: Order
    #: Names and expressions of the instruction; the Subagent has them from the signed workflow.
    default_arguments: dict[str, str]
    end_of_admission_period: int | None = None
    attempt: str | None = None


class KillProcess(Command, frozen=True, kw_only=True):
    order_id: str
    signal: Signal = "SIGTERM"


class ShutDown(Command, frozen=True, kw_only=True):
    """Without `process_signal` running jobs are waited for; with `dont_wait_for_director` they and all events are lost.

    With SIGKILL and `dont_wait_for_director` the answer comes when no process runs any more.
    """

    process_signal: Signal | None = None
    dont_wait_for_director: bool = False
    restart: bool = False


SimpleCommand = (
    DedicateSubagent
    | CoupleDirector
    | AttachSignedItem
    | StartOrderProcess
    | KillProcess
    | ReleaseEvents
    | ShutDown
    | NoOperation
)


class Batch(msgspec.Struct, frozen=True, tag_field="TYPE"):
    """One after the other, until the first problem, which is the answer."""

    commands: tuple[SimpleCommand, ...]


SubagentCommand = SimpleCommand | Batch

#: What stops everything: SIGKILL, no farewell, and a new run.
KILL_AND_RESTART = ShutDown(process_signal="SIGKILL", dont_wait_for_director=True, restart=True)

_command_decoder = decoder(SubagentCommand)
_numbered_decoder = decoder(tuple[int, SubagentCommand])


def decode_command(body: bytes) -> tuple[int, SubagentCommand]:
    """Number (0: none) and command. Raises `ProblemError`."""
    try:
        if body.lstrip()[:1] == b"[":
            numbered: tuple[int, SubagentCommand] = _numbered_decoder.decode(body)
            return numbered
        command: Any = _command_decoder.decode(body)
        return 0, command
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(f"JSON DecodingFailure: {error}") from error
