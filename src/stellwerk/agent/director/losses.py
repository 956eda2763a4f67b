"""What becomes of orders whose processes are gone, or are taken for gone (cluster spec 2.4, 2.5, 3.4). Pure.

A lost process is repeated if its job is restartable; `processing.on_processed` decides that.
"""

from __future__ import annotations

from stellwerk.agent.director.state import AgentState
from stellwerk.engine import processing
from stellwerk.engine.events import subagent as s
from stellwerk.engine.transaction import Transaction
from stellwerk.language.outcomes import AnyOutcome, Disrupted
from stellwerk.values.problems import Problem


def lost(code: str) -> Disrupted:
    return Disrupted.process_lost(Problem.of(code))


def lose_orders(transaction: Transaction, subagent_id: str, outcome: AnyOutcome) -> None:
    """All orders in state Processing at the Subagent end so."""
    for order_id in list(transaction.state.processing_at.get(subagent_id, ())):
        processing.on_processed(transaction, order_id, outcome)


def lose_run(transaction: Transaction, subagent_id: str, code: str) -> None:
    """The processes of the Subagent's run are gone. It is forgotten, and so fenced: should it come back, whatever it
    still runs is killed before it gets new work."""
    lose_orders(transaction, subagent_id, lost(code))
    transaction.emit(subagent_id, s.SubagentRestarted())


def settle_processes(
    transaction: Transaction,
    state: AgentState,
    *,
    local_run_id: str,
) -> None:
    """When a Director becomes active: which processes of the recovered orders still run (the table of cluster 2.4).

    `local_run_id` is the run of this process' Subagent: if it is the one that the journal knows, the Director alone has
    been started anew and the processes go on.

    Orders at other Subagents stay as they are; their drivers couple again and repeat the idempotent start.
    """
    for subagent_id in list(state.processing_at):
        if subagent_id not in state.subagents:
            missed = Problem(message=f"{subagent_id} is missed")
            lose_orders(transaction, subagent_id, Disrupted.other(missed))
    for subagent_id, subagent in list(state.subagents.items()):
        if state.is_local(subagent_id) and subagent.subagent_run_id not in (None, local_run_id):
            lose_run(transaction, subagent_id, "ProcessLostDueToRestart")
