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
        state.offered_slots[order_id] = key
        transaction.touch(order_id)


def offer_subagents(transaction: Transaction) -> None:
    """A Subagent has become usable, or priorities have changed: have the first of those looked at who wait for it.

    Who wants the same waits in one queue; the next one is looked at when the first has got a Subagent.
    """
    for wish in list(transaction.state.waiting_for_subagent):
        _offer_subagent(transaction, wish)


def _offer_subagent(transaction: Transaction, wish: str) -> None:
    order_id = transaction.state.next_waiting_for_subagent(wish)
    if order_id is not None:
        transaction.state.offered_subagents[order_id] = wish
        transaction.touch(order_id)


def offer_on(transaction: Transaction, order_id: str) -> None:
    """The order has been looked at: what it was offered and has not taken goes to the next one."""
    state = transaction.state
    if order_id in state.offered_slots:
        offer_slot(transaction, state.offered_slots.pop(order_id))
    wish = state.offered_subagents.pop(order_id, None)
    if wish is not None and not state.is_waiting_for_subagent(order_id, wish):
        _offer_subagent(transaction, wish)


def on_processed(transaction: Transaction, order_id: str, outcome: AnyOutcome, timestamp_ms: int | None = None) -> None:
    """A process has ended, or is known to be lost: OrderProcessed, and its slot goes to the next order.

    A lost process is repeated unless the job says that it is not restartable (workflow spec 4.8). `timestamp_ms` is
    the Subagent's time.
    """
    state = transaction.state
    order = state.order(order_id)
    key, job = state.job(order)
    if isinstance(outcome, Disrupted) and outcome.is_process_lost and job.is_not_restartable:
        outcome = Disrupted.other(outcome.problem)
    transaction.emit(order_id, e.OrderProcessed(outcome=outcome), timestamp_ms)
    offer_slot(transaction, key)
    offer_slot(transaction, None)
    # Priorities may depend on how many processes a Subagent runs.
    offer_subagents(transaction)


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
