"""The instructions of workflows: `AnyInstruction` is their typed union, one line for each."""

from __future__ import annotations

from typing import get_args

from stellwerk.language.instructions.add_order import AddOrder
from stellwerk.language.instructions.admission_time import AdmissionTime
from stellwerk.language.instructions.base import Block, Checking, Instruction, Nested
from stellwerk.language.instructions.cycle import Break, Cycle
from stellwerk.language.instructions.empty import IMPLICIT_END, EmptyInstruction, End, Gap, ImplicitEnd
from stellwerk.language.instructions.execute import ExecuteAnonymous, ExecuteNamed
from stellwerk.language.instructions.fail import Fail
from stellwerk.language.instructions.finish import Finish
from stellwerk.language.instructions.fork import Branch, Fork
from stellwerk.language.instructions.fork_list import ForkList
from stellwerk.language.instructions.if_ import If, IfThen, then_branch_id
from stellwerk.language.instructions.lock import Lock, LockDemand
from stellwerk.language.instructions.notices import ConsumeNotices, ExpectNotices, PostNotices
from stellwerk.language.instructions.options import Options
from stellwerk.language.instructions.prompt import Prompt
from stellwerk.language.instructions.sleep import Sleep
from stellwerk.language.instructions.sticky_subagent import StickySubagent
from stellwerk.language.instructions.stop import Stop
from stellwerk.language.instructions.test_aids import BreakOrder, Say
from stellwerk.language.instructions.try_ import Retry, Try

AnyInstruction = (
    AddOrder
    | AdmissionTime
    | Break
    | BreakOrder
    | ConsumeNotices
    | Cycle
    | EmptyInstruction
    | End
    | ExecuteAnonymous
    | ExecuteNamed
    | ExpectNotices
    | Fail
    | Finish
    | Fork
    | ForkList
    | Gap
    | If
    | ImplicitEnd
    | Lock
    | Options
    | PostNotices
    | Prompt
    | Retry
    | Say
    | Sleep
    | StickySubagent
    | Stop
    | Try
)

for _class in get_args(AnyInstruction):
    for _tag in (str(_class.__struct_config__.tag), *getattr(_class, "TAG_ALIASES", ())):
        Instruction.REGISTRY[_tag] = _class

__all__ = [
    "IMPLICIT_END",
    "AddOrder",
    "AdmissionTime",
    "AnyInstruction",
    "Block",
    "Branch",
    "Break",
    "BreakOrder",
    "Checking",
    "ConsumeNotices",
    "Cycle",
    "EmptyInstruction",
    "End",
    "ExecuteAnonymous",
    "ExecuteNamed",
    "ExpectNotices",
    "Fail",
    "Finish",
    "Fork",
    "ForkList",
    "Gap",
    "If",
    "IfThen",
    "ImplicitEnd",
    "Instruction",
    "Lock",
    "LockDemand",
    "Nested",
    "Options",
    "PostNotices",
    "Prompt",
    "Retry",
    "Say",
    "Sleep",
    "StickySubagent",
    "Stop",
    "Try",
    "then_branch_id",
]
