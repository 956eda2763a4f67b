"""What an order does at each kind of instruction: one module an instruction, as in `stellwerk.language.instructions`.

`EXECUTIONS` says what an order does there; `ANTICIPATIONS` (of `stellwerk.engine.step`) where it goes on when the
instruction only changes its position. A test keeps both in step with the typed union `AnyInstruction`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stellwerk.engine import step as step_module
from stellwerk.engine.instructions import empty, end, execute, fail, finish, fork, if_, prompt, retry, sleep, stop, try_
from stellwerk.engine.step import Step
from stellwerk.language import instructions as language

EXECUTIONS: Mapping[type[language.Instruction], Callable[[Step, Any], None]] = {
    language.EmptyInstruction: empty.execute,
    language.End: end.execute,
    language.ExecuteAnonymous: execute.execute,
    language.ExecuteNamed: execute.execute,
    language.Fail: fail.execute,
    language.Finish: finish.execute,
    language.Fork: fork.execute,
    language.If: if_.execute,
    language.ImplicitEnd: end.execute,
    language.Prompt: prompt.execute,
    language.Retry: retry.execute,
    language.Sleep: sleep.execute,
    language.Stop: stop.execute,
    language.Try: try_.execute,
}

step_module.ANTICIPATIONS = {
    language.End: end.anticipate,
    language.If: if_.anticipate,
    language.ImplicitEnd: end.anticipate,
    language.Try: try_.anticipate,
}
