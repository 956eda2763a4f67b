"""The instructions of workflows: `AnyInstruction` is their typed union, one line for each."""

from __future__ import annotations

from typing import get_args

from stellwerk.language.instructions.base import Block, Checking, Instruction, Nested
from stellwerk.language.instructions.empty import IMPLICIT_END, EmptyInstruction, End, ImplicitEnd
from stellwerk.language.instructions.execute import ExecuteAnonymous, ExecuteNamed
from stellwerk.language.instructions.fail import Fail
from stellwerk.language.instructions.finish import Finish
from stellwerk.language.instructions.fork import Branch, Fork
from stellwerk.language.instructions.if_ import If, IfThen, then_branch_id
from stellwerk.language.instructions.prompt import Prompt
from stellwerk.language.instructions.sleep import Sleep
from stellwerk.language.instructions.stop import Stop
from stellwerk.language.instructions.try_ import Retry, Try

AnyInstruction = (
    EmptyInstruction
    | End
    | ExecuteAnonymous
    | ExecuteNamed
    | Fail
    | Finish
    | Fork
    | If
    | ImplicitEnd
    | Prompt
    | Retry
    | Sleep
    | Stop
    | Try
)

for _class in get_args(AnyInstruction):
    Instruction.REGISTRY[str(_class.__struct_config__.tag)] = _class

__all__ = [
    "IMPLICIT_END",
    "AnyInstruction",
    "Block",
    "Branch",
    "Checking",
    "EmptyInstruction",
    "End",
    "ExecuteAnonymous",
    "ExecuteNamed",
    "Fail",
    "Finish",
    "Fork",
    "If",
    "IfThen",
    "ImplicitEnd",
    "Instruction",
    "Nested",
    "Prompt",
    "Retry",
    "Sleep",
    "Stop",
    "Try",
    "then_branch_id",
]
