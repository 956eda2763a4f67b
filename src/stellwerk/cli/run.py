"""`stellwerk run FILE`: one workflow on an installation of its own in this process, from its order to its end.

Exit code: 0 finished, 1 failed or cancelled, 2 the workflow file or an argument is wrong, 3 the order waits for a
person (stopped, suspended, prompting, broken), which nobody could answer here.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from stellwerk.author.files import AuthorFile, find_files, kind_of, object_name
from stellwerk.cli.author import valid_workflow
from stellwerk.cli.output import CommandError, print_json
from stellwerk.controller.state import ControllerState
from stellwerk.controller.state_objects import event_decoder
from stellwerk.engine.events import order as e
from stellwerk.engine.order import Broken, Order, Prompting
from stellwerk.language.expressions import to_string
from stellwerk.language.outcomes import AnyOutcome, short_text
from stellwerk.language.positions import position_text
from stellwerk.language.workflow import Workflow
from stellwerk.sdk.in_process import InProcessInstallation
from stellwerk.values.events import Envelope, decode_envelope
from stellwerk.values.problems import ProblemError

ORDER_ID = "run"
FINISHED, FAILED, WRONG, WAITING = 0, 1, 2, 3
_WAITING_EVENTS = (e.OrderPrompted, e.OrderStopped, e.OrderSuspended, e.OrderBroken)
_FAILED_EVENTS = (e.OrderFailed, e.OrderCancelled)


class Outcome(msgspec.Struct, frozen=True, rename="camel"):
    """What `--json` prints."""

    order_id: str
    state: str
    exit_code: int
    #: Where the order ended, for people.
    position: str
    message: str | None
    #: What jobs and instructions returned, the newest of each name.
    values: dict[str, Any]
    #: The kept data folder.
    folder: str | None


async def run_workflow(file: Path, arguments: Mapping[str, Any], *, keep: bool, as_json: bool) -> int:
    """Run it, show what happens (jobs, their output, failures), return the exit code. Raises `CommandError`."""
    own, workflow = valid_workflow(file)
    items = _items(own, workflow)
    agents = sorted({workflow.job(p)[1].agent_path for p, _ in workflow.instructions() if _is_job(workflow, p)})
    order_id = ORDER_ID if workflow.definition.calendar_path is None else f"#{datetime.now(UTC):%Y-%m-%d}#{ORDER_ID}"
    folder = Path(tempfile.mkdtemp(prefix="stellwerk-run-"))
    story = _Story(workflow, is_silent=as_json)
    try:
        async with InProcessInstallation(folder, agents) as installation:
            try:
                await installation.deploy(items)
                order = {"id": order_id, "workflowPath": workflow.id.path, "arguments": dict(arguments)}
                await installation.command({"TYPE": "AddOrder", "order": order})
            except ProblemError as error:
                raise CommandError(str(error), "see the reference of workflows", WRONG) from error
            with story.status():
                exit_code = await _follow(installation, story)
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    outcome = story.outcome(exit_code, str(folder) if keep else None)
    if as_json:
        print_json(outcome)
    else:
        story.print_end(outcome)
    return exit_code


def _items(own: AuthorFile, workflow: Workflow) -> list[Any]:
    """The workflow in the engine's spelling, with the objects of its folder that it refers to, and its calendar."""
    items: list[Any] = []
    calendar_path = workflow.definition.calendar_path
    if calendar_path is not None:
        items.append(
            {
                "TYPE": "Calendar",
                "path": calendar_path,
                "orderIdPattern": "#([^#]+)#.*",
                "periodDatePattern": "yyyy-MM-dd",
            }
        )
    wanted = {
        "LOCK": workflow.lock_paths(),
        "NOTICEBOARD": workflow.board_paths(),
        "JOBRESOURCE": workflow.job_resource_paths(),
    }
    for other in find_files([own.file.parent]):
        if object_name(other) in wanted.get(kind_of(other), ()):
            read = AuthorFile(other)
            if read.conversion is not None:
                items.append(read.conversion.value)
    value = own.content if own.conversion is None else own.conversion.value
    return [*items, {**value, "TYPE": "Workflow", "path": workflow.id.path}]


def _text(outcome: AnyOutcome) -> str:
    """How a step ended, with the return code when that says more."""
    inner = getattr(outcome, "outcome", outcome)
    code = getattr(inner, "named_values", {}).get("returnCode", 0)
    return short_text(outcome) + (f" with return code {code}" if code else "")


def _is_job(workflow: Workflow, position: Any) -> bool:
    try:
        workflow.job(position)
    except ProblemError:
        return False
    return True


async def _follow(installation: InProcessInstallation, story: _Story) -> int:
    async for lines in installation.events():
        for line in lines:
            exit_code = story.tell(line)
            if exit_code is not None:
                return exit_code
    raise CommandError("the Controller has ended")


class _Story:
    """Folds the events, so that each is told with the state of its order at that very event."""

    def __init__(self, workflow: Workflow, is_silent: bool) -> None:
        from rich.console import Console

        self._workflow = workflow
        self._state = ControllerState()
        self._console = Console(file=sys.stdout, highlight=False, quiet=is_silent, soft_wrap=True)
        self._started_ms: int | None = None
        self._running: dict[str, str] = {}
        self._last: Order | None = None
        self._status: Any = None

    def status(self) -> Any:
        """Shows what is running as long as it is entered; only on a terminal."""
        self._status = self._console.status("starting")
        return self._status

    def tell(self, line: bytes) -> int | None:
        """Fold and show one event; the exit code when it was the last."""
        envelope = decode_envelope(line)
        event = event_decoder.decode(line)
        self._state.apply(envelope.key, event)
        if not isinstance(event, e.OrderEvent):
            return None
        order = self._state.orders.get(envelope.key)
        self._show(envelope, event, order)
        if envelope.key != ORDER_ID:
            return WAITING if isinstance(event, _WAITING_EVENTS) else None
        self._last = order or self._last
        if isinstance(event, e.OrderFinished):
            return FINISHED
        if isinstance(event, _FAILED_EVENTS):
            return FAILED
        return WAITING if isinstance(event, _WAITING_EVENTS) else None

    def _show(self, envelope: Envelope, event: Any, order: Order | None) -> None:
        order_id = envelope.key
        step = "" if order is None else self._step(order)
        match event:
            case e.OrderProcessingStarted():
                self._running[order_id] = step
                self._print(envelope, step, "started")
            case e.OrderStdoutWritten() | e.OrderStderrWritten():
                is_error = isinstance(event, e.OrderStderrWritten)
                for text in event.chunk.splitlines():
                    self._print(envelope, step, f"  {text}", "red" if is_error else "dim")
            case e.OrderProcessed():
                self._running.pop(order_id, None)
                is_good = event.outcome.is_succeeded
                self._print(envelope, step, _text(event.outcome), "green" if is_good else "red")
            case e.OrderOutcomeAdded() if not event.outcome.is_succeeded:
                self._print(envelope, step, short_text(event.outcome), "red")
            case e.OrderCaught():
                self._print(envelope, step, "failure caught", "yellow")
            case e.OrderPrompted():
                self._print(envelope, step, f"asks: {to_string(event.question)}", "yellow")
            case e.OrderForked() | e.OrderJoined() | e.OrderRetrying() | e.OrderSleeping():
                self._print(envelope, step, type(event).__name__.removeprefix("Order").lower())
        if self._status is not None:
            self._status.update(", ".join(self._running.values()) or "waiting")

    def _step(self, order: Order) -> str:
        """Label or job, else the position."""
        instruction = self._workflow.instruction(order.position)
        return instruction.label or getattr(instruction, "job_name", None) or position_text(order.position)

    def _print(self, envelope: Envelope, step: str, text: str, style: str = "") -> None:
        from rich.text import Text

        if self._started_ms is None:
            self._started_ms = envelope.timestamp_ms
        seconds = (envelope.timestamp_ms - self._started_ms) / 1000
        branch = str(envelope.key).removeprefix(ORDER_ID).removeprefix("|")
        place = f"{branch}: {step}" if branch else step
        # Text, never markup: what jobs print is untrusted.
        self._console.print(Text(f"{seconds:8.3f}  {place:<28}  "), Text(text, style), sep="")

    def outcome(self, exit_code: int, folder: str | None) -> Outcome:
        order = self._last
        waiting = next((o for o in self._state.orders.values() if isinstance(o.state, Prompting | Broken)), None)
        if exit_code == WAITING:
            order = waiting or next((o for o in self._state.orders.values() if o.id != ORDER_ID), order)
        assert order is not None
        values: dict[str, Any] = {}
        for entry in order.historic_outcomes:
            values.update(getattr(entry.outcome, "named_values", {}))
        failure = next((h.outcome for h in reversed(order.historic_outcomes) if not h.outcome.is_succeeded), None)
        return Outcome(
            order_id=order.id,
            state=str(type(order.state).__struct_config__.tag),
            exit_code=exit_code,
            position=position_text(order.position),
            message=None if failure is None or exit_code == FINISHED else _text(failure),
            values=values,
            folder=folder,
        )

    def print_end(self, outcome: Outcome) -> None:
        style = {FINISHED: "bold green", FAILED: "bold red"}.get(outcome.exit_code, "bold yellow")
        self._console.print(f"\n{self._workflow.id.path}: [{style}]{outcome.state}[/] at {outcome.position}")
        if outcome.message:
            self._console.print(outcome.message, markup=False)
        if outcome.exit_code == WAITING:
            self._console.print("The order waits for a person; `stellwerk up` runs workflows that need one.")
        if outcome.folder:
            self._console.print(f"Journals and files are kept in {outcome.folder}", markup=False)
