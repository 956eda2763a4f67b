"""Running jobs, as far as orders are concerned: slots, results, kills, lost processes (workflow spec 2.2, 4.7, 4.8)."""

from __future__ import annotations

from stellwerk.engine.events import order as e
from stellwerk.engine.order import Order, Processing
from stellwerk.engine.state import EngineState
from stellwerk.engine.transaction import Transaction
from stellwerk.language.outcomes import AnyOutcome, Disrupted
from stellwerk.language.positions import normalize
from stellwerk.language.workflow import JobKey


def has_slot(state: EngineState, key: JobKey) -> bool:
    """May one more process of this job run at this Agent?"""
    limit = state.workflows[key.workflow_id].job_of(key).process_limit
    return state.processes_of_job.get(key, 0) < limit


def has_agent_slot(state: EngineState) -> bool:
    return state.process_limit is None or state.process_count[""] < state.process_limit


def offer_slot(transaction: Transaction, key: JobKey | None) -> None:
    """Have the next order looked at that waits for a slot of the job (None: of the Agent), if there is one."""
    state = transaction.state
    if not has_agent_slot(state) or (
        key is not None and key.workflow_id in state.workflows and not has_slot(state, key)
    ):
        return
    order_id = state.next_waiting(key)
    if order_id is not None:
        transaction.offered_slots[order_id] = key
        transaction.touch(order_id)


def offer_subagents(transaction: Transaction) -> None:
    """Have all orders looked at that wait for a Subagent: one has become usable, or priorities have changed."""
    state = transaction.state
    waiting, state.waiting_for_subagent = state.waiting_for_subagent, {}
    for order_id in waiting:
        transaction.touch(order_id)


def on_processed(transaction: Transaction, order_id: str, outcome: AnyOutcome) -> None:
    """A process has ended, or is known to be lost: OrderProcessed, and its slot goes to the next order.

    A lost process is repeated unless the job says that it is not restartable (workflow spec 4.8).
    """
    state = transaction.state
    order = state.order(order_id)
    key, job = state.job(order)
    if isinstance(outcome, Disrupted) and outcome.is_process_lost and job.is_not_restartable:
        outcome = Disrupted.other(outcome.problem)
    transaction.emit(order_id, e.OrderProcessed(outcome=outcome))
    offer_slot(transaction, key)
    offer_slot(transaction, None)


def recover(transaction: Transaction) -> None:
    """Have every order looked at that this node has: after a restart, once lost processes have been settled."""
    for order_id in list(transaction.state.orders):
        transaction.touch(order_id)


def kill_request(order: Order) -> e.Kill | None:
    """The kill that the order's mark asks for, if its process is running here and the position fits."""
    mark = order.mark
    if type(order.state) is not Processing:
        return None
    if isinstance(mark, e.Cancelling):
        kill = mark.mode.kill if isinstance(mark.mode, e.FreshOrStarted) else None
    elif isinstance(mark, e.Suspending):
        kill = mark.mode.kill
    else:
        kill = None
    if kill is None or kill.workflow_position is None:
        return kill
    wanted = kill.workflow_position
    is_here = wanted.workflow_id == order.workflow_id and normalize(wanted.position) == normalize(order.position)
    return kill if is_here else None
