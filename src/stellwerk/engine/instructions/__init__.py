"""What an order does at each kind of instruction: one module an instruction, as in `stellwerk.language.instructions`.

`EXECUTIONS` says what an order does there, `WAITS` what it does when it is looked at while it waits there, and
`ANTICIPATIONS` (of `stellwerk.engine.step`) where it goes on when the instruction only changes its position. A test
keeps them in step with the typed union `AnyInstruction`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stellwerk.engine import step as step_module
from stellwerk.engine.instructions import (
    add_order,
    admission_time,
    cycle,
    empty,
    end,
    execute,
    fail,
    finish,
    fork,
    fork_list,
    if_,
    lock,
    notices,
    options,
    prompt,
    retry,
    sleep,
    sticky_subagent,
    stop,
    test_aids,
    try_,
)
from stellwerk.engine.order import (
    BetweenCycles,
    DelayingRetry,
    ExpectingNotices,
    OrderState,
    Sleeping,
    WaitingForAdmission,
    WaitingForLock,
)
from stellwerk.engine.step import Step
from stellwerk.language import instructions as language

EXECUTIONS: Mapping[type[language.Instruction], Callable[[Step, Any], None]] = {
    language.AddOrder: add_order.execute,
    language.AdmissionTime: admission_time.execute,
    language.Break: cycle.break_,
    language.BreakOrder: test_aids.break_order,
    language.ConsumeNotices: notices.consume,
    language.Cycle: cycle.execute,
    language.EmptyInstruction: empty.execute,
    language.End: end.execute,
    language.ExecuteAnonymous: execute.execute,
    language.ExecuteNamed: execute.execute,
    language.ExpectNotices: notices.expect,
    language.Fail: fail.execute,
    language.Finish: finish.execute,
    language.Fork: fork.execute,
    language.ForkList: fork_list.execute,
    language.Gap: empty.gap,
    language.If: if_.execute,
    language.ImplicitEnd: end.execute,
    language.Lock: lock.execute,
    language.Options: options.execute,
    language.PostNotices: notices.post,
    language.Prompt: prompt.execute,
    language.Retry: retry.execute,
    language.Say: test_aids.say,
    language.Sleep: sleep.execute,
    language.StickySubagent: sticky_subagent.execute,
    language.Stop: stop.execute,
    language.Try: try_.execute,
}

WAITS: Mapping[type[OrderState], Callable[[Step], None]] = {
    BetweenCycles: cycle.wait,
    DelayingRetry: retry.wait,
    ExpectingNotices: notices.wait,
    Sleeping: sleep.wait,
    WaitingForAdmission: admission_time.wait,
    WaitingForLock: lock.wait,
}

step_module.ANTICIPATIONS = {
    language.AdmissionTime: admission_time.anticipate,
    language.End: end.anticipate,
    language.If: if_.anticipate,
    language.ImplicitEnd: end.anticipate,
    language.Options: options.anticipate,
    language.Try: try_.anticipate,
}
