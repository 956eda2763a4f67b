"""The live state of one order as the Cockpit keeps it, and the states of cockpit-services 5.1.

`LiveOrder` is what the projection needs of an order's past to write the next row, and what lists show. It is stored
encoded in `live_orders.data`; new members are added at the end with a default.
"""

from __future__ import annotations

import re

import msgspec

#: "Never" as the Cockpit encodes it (cockpit-services 5.1).
NEVER_MS = 253402300799000


class State(msgspec.Struct, frozen=True):
    """A state of the API: its text, the number in the database, the display severity."""

    text: str
    code: int
    severity: int


PLANNED = State("PLANNED", 0, 4)
PENDING = State("PENDING", 1, 10)
RUNNING = State("RUNNING", 2, 0)
SUSPENDED = State("SUSPENDED", 3, 5)
FAILED = State("FAILED", 4, 2)
WAITING = State("WAITING", 5, 8)
BLOCKED = State("BLOCKED", 6, 7)
CANCELLED = State("CANCELLED", 7, 2)
FINISHED = State("FINISHED", 8, 6)
BROKEN = State("BROKEN", 12, 2)
INPROGRESS = State("INPROGRESS", 13, 3)
SCHEDULED = State("SCHEDULED", 15, 1)
PROMPTING = State("PROMPTING", 16, 12)
UNKNOWN = State("UNKNOWN", 99, 2)

STATES: tuple[State, ...] = (
    PLANNED,
    PENDING,
    RUNNING,
    SUSPENDED,
    FAILED,
    WAITING,
    BLOCKED,
    CANCELLED,
    FINISHED,
    BROKEN,
    INPROGRESS,
    SCHEDULED,
    PROMPTING,
    UNKNOWN,
)
BY_CODE: dict[int, State] = {state.code: state for state in STATES}
BY_TEXT: dict[str, State] = {state.text: state for state in STATES}

_OF_ENGINE: dict[str, State] = {
    "Fresh": SCHEDULED,
    "Ready": WAITING,
    "Processing": RUNNING,
    "Processed": INPROGRESS,
    "ProcessingKilled": FAILED,
    "DelayingRetry": WAITING,
    "DelayedAfterError": WAITING,
    "Forked": WAITING,
    "WaitingForLock": WAITING,
    "WaitingForAdmission": WAITING,
    "ExpectingNotices": WAITING,
    "ExpectingNotice": WAITING,
    "Prompting": PROMPTING,
    "BetweenCycles": WAITING,
    "Sleeping": WAITING,
    "Broken": FAILED,
    "Stopped": FAILED,
    "StoppedWhileFresh": FAILED,
    "Failed": FAILED,
    "FailedWhileFresh": FAILED,
    "FailedInFork": FAILED,
    "Finished": FINISHED,
    "Cancelled": CANCELLED,
}
_REASONS: dict[str, str] = {
    "DelayedAfterError": "DELAYED_AFTER_ERROR",
    "DelayingRetry": "DELAYING_RETRY",
    "Forked": "FORKED",
    "ExpectingNotices": "EXPECTING_NOTICES",
    "ExpectingNotice": "EXPECTING_NOTICES",
    "WaitingForLock": "WAITING_FOR_LOCK",
    "BetweenCycles": "BETWEEN_CYCLES",
    "WaitingForAdmission": "WAITING_FOR_ADMISSION",
    "Sleeping": "SLEEPING",
}
_MARKS: dict[str, str] = {"Cancelling": "CANCELLING", "Suspending": "SUSPENDING", "Resuming": "RESUMING"}


class LiveTask(msgspec.Struct, array_like=True, gc=False):
    """The attempt that is running, or the last one while its row still has to be written."""

    task_id: int
    start_event_id: int
    start_ms: int
    position: str
    job: str
    label: str | None
    agent_id: str | None
    subagent_id: str | None
    attempt: int
    retry_counter: int
    log_lines: int = 0
    log_bytes: int = 0
    #: Channel of the line that is not finished yet; 0 = the next piece begins a line.
    open_channel: int = 0
    stderr_lines: int = 0
    #: Beginning of the first text on standard error: the fallback for an error text.
    error_text: str = ""


class LiveOrder(msgspec.Struct, array_like=True, gc=False):
    """One order at the Controller. Instants are epoch milliseconds."""

    order_id: str
    history_id: int
    main_history_id: int
    workflow_path: str
    workflow_version_id: str
    position: list[int | str]
    #: The engine's state (orders spec 2.3).
    state: str
    since: int
    added: int
    parent_history_id: int = 0
    parent: str | None = None
    branch_id: str | None = None
    scheduled_for: int | None = None
    arguments: bytes = b""
    plan_id: bytes = b""
    priority: float = 0
    delete_when_terminated: bool = False
    is_suspended: bool = False
    mark: str | None = None
    #: "" = at the Controller, else Attaching, Attached, Detaching.
    attached: str = ""
    agent_id: str | None = None
    until: int | None = None
    question: bytes = b""
    children: list[str] = []
    started: int | None = None
    start_event_id: int = 0
    start_position: str = ""
    has_children: bool = False
    task: LiveTask | None = None
    last_task_id: int | None = None
    #: How often the job at a (normalised) position has been started.
    attempts: dict[str, int] = {}
    outcome: str | None = None
    return_code: int | None = None
    message: str | None = None
    error_reason: str | None = None
    error_code: str | None = None
    ended: int | None = None
    end_event_id: int | None = None
    revision: int = 0
    stderr_lines: int = 0
    #: Ids of the notices that the order expects.
    expected: list[list[str]] = []
    #: Ids of the notices that it consumes, for each block that it is in, outermost first.
    consuming: list[list[list[str]]] = []
    #: Ids of the notices that it is going to post.
    announced: list[list[str]] = []
    #: The order, or one of its jobs, has failed at some time.
    has_failed: bool = False

    @property
    def is_child(self) -> bool:
        return self.parent is not None

    @property
    def is_succeeded(self) -> bool:
        """By the last outcome; an order without one counts as succeeded (orders spec 2.5)."""
        return self.outcome in (None, "Succeeded", "Caught")


def live_state(order: LiveOrder) -> State:
    """The state that does not depend on the present time: an overdue Fresh order is SCHEDULED."""
    if order.is_suspended and order.state not in ("Finished", "Cancelled"):
        return SUSPENDED
    if order.state == "Fresh" and order.scheduled_for == NEVER_MS:
        return PENDING
    return _OF_ENGINE.get(order.state, UNKNOWN)


def api_state(order: LiveOrder, now_ms: int) -> State:
    """The state as the API shows it now: a Fresh order whose time has passed is BLOCKED."""
    state = live_state(order)
    if state is SCHEDULED and order.scheduled_for is not None and order.scheduled_for < now_ms:
        return BLOCKED
    return state


def reason(order: LiveOrder) -> str | None:
    """`_reason` of a waiting order that is not suspended."""
    return None if order.is_suspended else _REASONS.get(order.state)


def marked(order: LiveOrder) -> str | None:
    return _MARKS.get(order.mark) if order.mark is not None else None


_NUMBERS = re.compile(r"\d+")
_PATHS = re.compile(r"(?:/[\w.+-]+){2,}")
_IDS = re.compile(r"\b(?=[\w-]*\d)[0-9a-fA-F-]{8,}\b")


def error_key(order: LiveOrder) -> str | None:
    """The fingerprint by which failures are grouped: position, return code and text without numbers, ids and paths."""
    if live_state(order) is not FAILED:
        return None
    text = _NUMBERS.sub("#", _PATHS.sub("/…", _IDS.sub("#", order.message or "")))[:200]
    code = "" if order.return_code is None else f"exit {order.return_code}"
    return "|".join((order.workflow_path, position_text(normalized(order.position)), code, text))


def position_text(position: list[int | str]) -> str:
    """`1/then:2` (workflow spec 3.1)."""
    if len(position) == 1:
        return str(position[0])
    text = ""
    for index, part in enumerate(position):
        text += str(part) if index == 0 else f":{part}" if index % 2 == 0 else f"/{part}"
    return text


def normalized(position: list[int | str]) -> list[int | str]:
    """Without counters of retries and cycles (workflow spec 3.2)."""
    if len(position) == 1:
        return position
    return [_normal_branch(part) if isinstance(part, str) else part for part in position]


def _normal_branch(branch: str) -> str:
    head = branch.split("+", 1)[0]
    return head if head in ("try", "catch", "cycle") else branch


def try_number(position: list[int | str]) -> int:
    """N of the innermost `try+N` or `catch+N`; 0 outside of retries."""
    for part in reversed(position[1::2]):
        head, _, count = str(part).partition("+")
        if head in ("try", "catch"):
            return int(count) if count.isdigit() else 0
    return 0


encode_live_order = msgspec.msgpack.Encoder().encode
decode_live_order = msgspec.msgpack.Decoder(LiveOrder).decode
