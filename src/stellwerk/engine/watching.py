"""Orders for files: what follows when a file has appeared or vanished (workflow spec 8.5; orders 6.7)."""

from __future__ import annotations

from collections.abc import Mapping

from stellwerk.engine.adding import announce
from stellwerk.engine.context import Context
from stellwerk.engine.events import order as e
from stellwerk.engine.events.order_watch import ExternalOrderRejected
from stellwerk.engine.order_watches import Appeared, HasOrder
from stellwerk.engine.preparation import prepare_arguments
from stellwerk.engine.scopes import ClockScope
from stellwerk.engine.transaction import Transaction
from stellwerk.language.expressions import as_list, as_number, as_object, as_string, parse_expression
from stellwerk.language.expressions.java_regex import java_regex
from stellwerk.language.items import FileWatch
from stellwerk.values.ids import check_order_id
from stellwerk.values.json import JsonValue
from stellwerk.values.problems import ProblemError


class FileScope(ClockScope):
    """`$0` is the name of the file, `$1` … its groups, `$orderWatchPath` the watch."""

    def __init__(self, context: Context, watch: FileWatch, name: str) -> None:
        """Raises `ProblemError` FileWatchPatternDoesntMatch."""
        super().__init__(context)
        groups = java_regex(watch.file_pattern).groups(name)
        if groups is None:
            raise ProblemError.of("FileWatchPatternDoesntMatch", orderWatchPath=watch.path, externalOrderName=name)
        self._values: Mapping[str, JsonValue] = {
            "orderWatchPath": watch.path,
            **{str(index): group or "" for index, group in enumerate(groups)},
        }

    def named(self, name: str) -> JsonValue:
        return self._values[name] if name in self._values else super().named(name)


class _Wanted:
    """What the watch's expression says of the order: id, plan, priority."""

    def __init__(self, scope: FileScope, watch: FileWatch, name: str) -> None:
        self.order_id = f"file:{watch.path}:{name}"
        self.plan_id: e.PlanId = ()
        self.priority: int = 0
        if watch.order_expr is not None:
            value = as_object(parse_expression(watch.order_expr).evaluate(scope))
            if value.get("orderId") is not None:
                self.order_id = as_string(value["orderId"])
            if value.get("planId") is not None:
                self.plan_id = tuple(as_string(part) for part in as_list(value["planId"]))
            if value.get("priority") is not None:
                self.priority = int(as_number(value["priority"]))
        elif watch.order_id_expression is not None:
            self.order_id = as_string(parse_expression(watch.order_id_expression).evaluate(scope))
        check_order_id(self.order_id)


def follow_up(transaction: Transaction, path: str, name: str) -> None:
    """Add the order of a file that has appeared, or tell an order that its file has vanished."""
    state = transaction.state
    watch = state.order_watches.items.get(path)
    file = state.order_watches.file(path, name)
    if isinstance(file, Appeared) and watch is not None:
        try:
            _add_order(transaction, watch, name, file)
        except ProblemError as error:
            transaction.emit(path, ExternalOrderRejected(external_order_name=name, problem=error.problem))
    elif isinstance(file, HasOrder) and file.queued is not None:
        order = state.orders.get(file.order_id)
        if order is not None and order.external_order is not None and not order.external_order.vanished:
            transaction.emit(order.id, e.OrderExternalVanished())


def _add_order(transaction: Transaction, watch: FileWatch, name: str, file: Appeared) -> None:
    """While an order with this id exists, the file waits. Raises `ProblemError`."""
    state = transaction.state
    wanted = _Wanted(FileScope(transaction.context, watch, name), watch, name)
    if wanted.order_id in state.orders:
        transaction.wait_for_order_id(wanted.order_id, watch.path, name)
        return
    state.plans.check_instruction(wanted.plan_id, is_own=True)
    workflow = state.workflow(state.current_workflow_id(watch.workflow_path))
    arguments = prepare_arguments(
        workflow, wanted.order_id, file.arguments, None, transaction.context, state.job_resource_variables()
    )
    transaction.emit(
        wanted.order_id,
        e.OrderAdded(
            workflow_id=workflow.id,
            external_order_key=e.ExternalOrderKey(order_watch_path=watch.path, name=name),
            arguments=arguments,
            plan_id=wanted.plan_id,
            priority=wanted.priority,
        ),
    )
    announce(transaction, wanted.order_id)
