"""What `stellwerk check` can say, by rule. The reference page is made of this table."""

from __future__ import annotations

from typing import Literal

import msgspec

Severity = Literal["error", "warning"]


class Rule(msgspec.Struct, frozen=True):
    """One rule. `remedy` says what to do about it."""

    id: str
    severity: Severity
    title: str
    remedy: str


def _warning(id_: str, title: str, remedy: str) -> Rule:
    return Rule(id_, "warning", title, remedy)


INVALID = Rule("invalid", "error", "The file cannot be deployed", "correct what the message says")
UNKNOWN_TIME_ZONE = Rule(
    "unknown-time-zone",
    "error",
    "A time zone that does not exist",
    "use an IANA name such as Europe/Berlin or UTC",
)
LOCK_COUNT = Rule(
    "lock-count",
    "error",
    "More of a lock is demanded than its limit",
    "demand less, or raise the limit of the lock",
)
SAME_NAME = Rule(
    "same-name",
    "error",
    "Two objects of one kind with the same name: folders do not tell them apart",
    "rename one of the files, and what refers to it",
)
UNREACHABLE = _warning(
    "unreachable",
    "Instructions that no order reaches",
    "remove them, or move them before the instruction that ends the block",
)
UNSET_VARIABLE = _warning(
    "unset-variable",
    "A variable that nothing sets",
    "declare it in orderPreparation, or let a job return it; check the spelling",
)
LOCK_ORDER = _warning(
    "lock-order",
    "Locks that are taken in different orders, so that orders can wait for each other for ever",
    "take these locks everywhere in the same order, or all of them in one Lock instruction",
)
ENDLESS_RETRY = _warning("endless-retry", "A Retry without end", "set maxTries, and retryDelays if there are none")
NOT_RESTARTABLE = _warning(
    "repeated-not-restartable",
    "A job that must not be restarted stands where it is repeated",
    "take it out of the Try with Retry, or allow its restart",
)
SWALLOWED_ERROR = _warning(
    "swallowed-error",
    "An empty catch block: errors vanish without a trace",
    "do something in the catch block, even if it is only a message",
)
UNUSED_JOB = _warning("unused-job", "A job that no instruction executes", "remove it, or execute it")
NEVER_POSTED = _warning(
    "never-posted",
    "A notice is expected that no workflow here posts",
    "let a workflow post to the board, or check the name of the board",
)
NEVER_ADMITTED = _warning(
    "never-admitted", "Admission times without any period: nothing is ever admitted", "add a period, or remove them"
)
ZERO_LIMIT = _warning("zero-limit", "A process limit of 0: the job never runs", "set it to 1 or more")
MISSING_OBJECT = _warning(
    "missing-object",
    "An object that is referred to and not among these files",
    "check its name; it must be deployed before, or together with the workflow",
)
SELF_DEADLOCK = Rule(
    "nested-lock",
    "error",
    "A lock within itself: the order fails there",
    "remove the inner Lock instruction",
)
NESTED_STICKY = Rule(
    "nested-sticky-subagent",
    "error",
    "StickySubagent of the same Agent within itself: the order fails there",
    "remove the inner StickySubagent instruction",
)
CRLF_SCRIPT = _warning(
    "crlf-script",
    "A script with Windows line ends: the program of its first line is not found on Unix",
    "store the script with LF line ends",
)
EXPECTED_RUN_TIME = _warning(
    "expected-run-time",
    "An expected run time that nobody understands, so that nobody is warned",
    "write HH:MM:SS, seconds such as 90s, or a share of the average such as 120%",
)
ENDLESS_ADD_ORDER = _warning(
    "self-adding",
    "A workflow whose orders always add orders of the same workflow",
    "add a condition that ends the chain",
)

RULES: tuple[Rule, ...] = (
    INVALID,
    UNKNOWN_TIME_ZONE,
    LOCK_COUNT,
    SAME_NAME,
    SELF_DEADLOCK,
    NESTED_STICKY,
    UNREACHABLE,
    UNSET_VARIABLE,
    LOCK_ORDER,
    ENDLESS_RETRY,
    NOT_RESTARTABLE,
    SWALLOWED_ERROR,
    UNUSED_JOB,
    NEVER_POSTED,
    NEVER_ADMITTED,
    ZERO_LIMIT,
    MISSING_OBJECT,
    CRLF_SCRIPT,
    EXPECTED_RUN_TIME,
    ENDLESS_ADD_ORDER,
)
