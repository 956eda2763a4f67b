"""Checks of histories (reliability 3.5): possible life cycles, and the same history at Controller and Cockpit."""

from __future__ import annotations

import json

import msgspec
from controller_events import Stream
from up_process import Api

from stellwerk.controller.state import ControllerState
from stellwerk.controller.state_objects import event_decoder
from stellwerk.values.events import decode_envelope
from stellwerk.values.problems import ProblemError

#: Output is kept as logs, not as events of the order's history.
_OUTPUT = ("OrderStdoutWritten", "OrderStderrWritten")


def every_event_was_possible(stream: Stream) -> ControllerState:
    """Fold all events: each order's are a path of the transition table, ids grow, and no event is impossible."""
    state, decode, last = ControllerState(), event_decoder, 0
    for event in stream.events:
        line = json.dumps(event).encode()
        envelope = decode_envelope(line)
        assert envelope.event_id > last, f"event ids do not grow: {event} after {last}"
        last = envelope.event_id
        try:
            state.apply(envelope.key, decode.decode(line))
        except (ProblemError, msgspec.DecodeError, KeyError, AssertionError) as error:
            history = "\n".join(str(one) for one in stream.of_order(str(envelope.key)))
            raise AssertionError(f"{event} is not possible: {error!r}\n{history}") from error
    return state


def history_is_the_same(api: Api, stream: Stream, order_id: str) -> None:
    """The Cockpit tells of the order and its children exactly the events that the Controller has, in their order."""
    own = [
        (event["eventId"], event["Key"], event["TYPE"])
        for event in stream.events
        if str(event.get("Key", "")).split("|")[0] == order_id and event["TYPE"] not in _OUTPUT
    ]
    shown = [(event["eventId"], event["orderId"], event["type"]) for event in api.events(order_id)]
    assert shown == own, (
        f"{order_id}: only the Cockpit has {sorted(set(shown) - set(own))}, "
        f"only the Controller has {sorted(set(own) - set(shown))}"
    )
