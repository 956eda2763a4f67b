"""ResetAgent: what becomes of the orders and items at an Agent that is to forget everything (journal spec 1.9).

And ResetSubagent, which its Agent does (cluster spec 3.4).
"""

from __future__ import annotations

from stellwerk.controller.state import ControllerState
from stellwerk.controller.transaction import ControllerTransaction
from stellwerk.engine.events import agent as a
from stellwerk.engine.events import item as i
from stellwerk.engine.events import order as e
from stellwerk.engine.events import subagent as s
from stellwerk.engine.order import Forked, Order, Processing
from stellwerk.language.items import agent_key
from stellwerk.language.outcomes import Disrupted
from stellwerk.values.problems import Problem, ProblemError


def reset_agent(transaction: ControllerTransaction, agent_path: str, force: bool) -> None:
    """One transaction: the orders come back and fail, the items are detached. Raises `ProblemError`."""
    state = transaction.items
    _check(state, agent_path, force)
    transaction.emit(agent_path, a.AgentResetStarted(force=force))
    for subagent in state.subagents_of(agent_path):
        transaction.emit(subagent.subagent_item.id, s.SubagentReset())
    problem = Problem.of("AgentReset", agentPath=agent_path)
    for order in list(state.orders.values()):
        if order.attached_state is not None and order.attached_state.agent_path == agent_path:
            _fetch_back(transaction, order, problem)
    for key, attachments in list(state.attachments.items()):
        if agent_path in attachments:
            transaction.emit(None, i.ItemDetached(key=key, delegate_id=agent_key(agent_path)))


def reset_subagent(transaction: ControllerTransaction, subagent_id: str, force: bool) -> None:
    """Have its Agent reset a Subagent; asking again changes nothing. Raises `ProblemError`."""
    state = transaction.items
    subagent = state.subagent(subagent_id)
    agent = state.agents.get(subagent.subagent_item.agent_path)
    if agent is not None and subagent_id in agent.agent_ref.directors:
        raise ProblemError(f"Subagent:{subagent_id} is a Director's own and cannot be reset; reset the Agent")
    if subagent.is_resetting_forcibly != force and not subagent.is_resetting_forcibly:
        transaction.emit(subagent_id, s.SubagentResetStartedByController(force=force))


def _check(state: ControllerState, agent_path: str, force: bool) -> None:
    agent = state.agent(agent_path)
    coupling = agent.coupling_state
    if isinstance(coupling, s.Resetting) and (coupling.force or not force):
        raise ProblemError(f"Agent {agent_path} is already being reset")
    if agent.agent_run_id is None and not force:
        raise ProblemError(
            f"Agent {agent_path} is already marked as 'Reset' or has never been used; force=true repeats it"
        )


def _fetch_back(transaction: ControllerTransaction, order: Order, problem: Problem) -> None:
    order_id = order.id
    if isinstance(order.state, Processing):
        transaction.emit(order_id, e.OrderProcessed(outcome=Disrupted.other(problem)))
    transaction.emit(order_id, e.OrderDetached())
    if isinstance(order.state, Forked):
        return  # its children fail; their join decides about it
    if transaction.state.orders[order_id].state.is_resettable:
        transaction.emit(order_id, e.OrderStateReset())
    # Not catchable: a Try must not repeat at an Agent that has just been emptied.
    transaction.emit(order_id, e.OrderOutcomeAdded(outcome=Disrupted.other(problem, uncatchable=True)))
