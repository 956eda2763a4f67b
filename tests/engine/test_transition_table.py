"""The transition table against the specification's own table (orders spec 3.2), and against itself."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from order_samples import EVENTS, STATES, sample_orders

from stellwerk.engine.events import order as e
from stellwerk.engine.order import (
    Order,
    state_name,
)
from stellwerk.engine.transitions import RULES, WITHOUT_FOLLOW_UP
from stellwerk.values.json import decoder, encode

SPECIFICATION = Path(__file__).parents[2] / "docs/specification/orders-events-commands.md"
#: They have no state before.
NOT_IN_TABLE = {"OrderAdded", "OrderAttachedToAgent"}
#: Of old journals; `import-js7` writes today's names.
LEGACY = re.compile("^(OrderLock(Queued|Acquired|Released)|OrderNoticeExpected|OrderCatched)$")


def test_every_event_is_in_the_table_or_makes_an_order() -> None:
    for event in get_args(e.AnyOrderEvent):
        assert event in RULES or event.__name__ in NOT_IN_TABLE, event
    assert {type(event) for event in EVENTS} == set(RULES)


def test_each_event_on_each_order_is_refused_or_gives_an_order_that_survives_json() -> None:
    order_decoder = decoder(Order)
    applied: dict[str, int] = {}
    for order, event in itertools.product(sample_orders(), EVENTS):
        rule = RULES[type(event)]
        if rule.refusal(order, event) is None:
            after = rule.effect(order, event)
            applied[type(event).__name__] = applied.get(type(event).__name__, 0) + 1
            assert order_decoder.decode(encode(after)) == after
    assert set(applied) == {event.__name__ for event in RULES}, "each row is applicable somewhere"


def test_nothing_changes_an_order_in_transfer_but_what_may() -> None:
    may = {
        "OrderAttached",
        "OrderDetached",
        "OrderCancellationMarked",
        "OrderSuspensionMarked",
        "OrderResumptionMarked",
    }
    may |= {"OrderDeletionMarked", "OrderExternalVanished", "OrderPriorityChanged", "OrderOutcomeAdded", "OrderBroken"}
    # Rows without a guard on the attachment in the specification; writers check it (orders spec 3.2).
    may |= {"OrderStateReset", "OrderGoes", "OrderCycleFinished"}
    for order, event in itertools.product(sample_orders(), EVENTS):
        rule = RULES[type(event)]
        if order.is_in_transfer and rule.refusal(order, event) is None and rule.effect(order, event) != order:
            assert type(event).__name__ in may, (order, event)


def _specified_rows() -> list[tuple[str, str, str]]:
    text = SPECIFICATION.read_text()
    section = text[text.index("### 3.2 Transition table") : text.index("### 3.3")]
    rows = []
    for line in section.splitlines():
        if line.startswith("| `Order"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            for name in re.findall(r"`(\w+)`", cells[0]):
                if not LEGACY.search(name):
                    rows.append((name, cells[1], cells[2]))
    return rows


STATE_NAMES = {state_name(state) for state in STATES} | {"DelayedAfterError"}


@pytest.mark.parametrize(("name", "before", "guard"), _specified_rows(), ids=lambda value: str(value)[:40])
def test_the_row_says_what_the_specification_says(name: str, before: str, guard: str) -> None:
    if name in NOT_IN_TABLE:
        return
    rule = RULES[getattr(e, name)]
    plain = re.sub(r" if .*?(;|,|$)", r"\1", before.split(" with ")[0])
    plain = plain.replace("F/R", "Fresh, Ready").replace(
        "*failable*", "Fresh, Ready, Processed, ProcessingKilled, Broken"
    )
    if ", not Fresh" in plain:
        plain = plain.replace(", not Fresh", "").replace("Fresh, ", "", 1)
    plain = plain.replace(" or ", ", ")
    words = {word.strip() for word in re.split("[,;]", plain)}
    if words <= STATE_NAMES:
        assert rule.before is not None
        names = {str(state.__struct_config__.tag) for state in rule.before}
        assert names == words - {"DelayedAfterError"}
    else:
        assert rule.before is None or not words & STATE_NAMES
    is_not_suspended = bool(re.search(r"\bns\b", guard)) or "*failable*" in before
    assert rule.not_suspended == is_not_suspended or "not** ns" in guard
    if re.match(r"(ns, )?d/a", guard) and name not in ("OrderSuspended",):
        assert rule.attachment == "held"
    elif re.match(r"(ns, )?det\b(?!,? or)", guard) and not guard.startswith("det, or"):
        assert rule.attachment == "detached"
    elif re.match(r"(ns, )?att\b", guard):
        assert rule.attachment == "attached"


def test_events_without_follow_up_are_those_of_the_specification() -> None:
    text = SPECIFICATION.read_text()
    sentence = text[
        text.index("**No** re-evaluation is triggered by:") : text.index("The Controller computes these follow-up")
    ]
    for event in WITHOUT_FOLLOW_UP:
        name = event.__name__
        short_forms = (
            name,
            name.replace("MarkedOnAgent", "Marked(…OnAgent)"),
            name.replace("Marked", "Marked(…OnAgent)"),
        )
        assert any(form in sentence for form in short_forms) or "OrderStd…Written" in sentence, name


def test_states_are_distinct_values() -> None:
    assert len({msgspec.json.encode(state) for state in STATES}) == len(STATES)
