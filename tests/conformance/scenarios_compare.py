"""Normalisation, filters and comparison of scenario results (CONFORMANCE.md, section 2). Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

Json = Any

_OUTPUT = frozenset({"OrderStdoutWritten", "OrderStderrWritten"})
_DROPPED: Final = {
    "noStd": _OUTPUT,
    "relevant": _OUTPUT
    | {"OrderAdded", "OrderStarted", "OrderAttachable", "OrderAttached", "OrderDetachable", "OrderDetached"},
    "noAdded": _OUTPUT | {"OrderAdded"},
    "noMoves": _OUTPUT | {"OrderMoved"},
}
_TERMINATED = frozenset({"OrderFinished", "OrderFailed", "OrderFailedInFork", "OrderCancelled"})
_CYCLE = re.compile(r"cycle\+([^/:]*)")
_CYCLE_INDEX = re.compile(r"(?:^|,)i=([0-9]+)")


def is_event_type(actual: str, wanted: str) -> bool:
    """Whether an event is of the type that a step names."""
    actual, wanted = _type(actual), _type(wanted)
    return actual in _TERMINATED if wanted == "OrderTerminated" else actual == wanted


def normalized(value: Json) -> Json:
    """Without event id and timestamp, with old names of events replaced, cycle branches reduced to their number."""
    if isinstance(value, dict):
        return {
            name: _type(member) if name == "TYPE" and isinstance(member, str) else normalized(member)
            for name, member in value.items()
            if name not in ("eventId", "timestamp")
        }
    if isinstance(value, list):
        return [normalized(element) for element in value]
    return _CYCLE.sub(_cycle, value) if isinstance(value, str) else value


def _type(name: str) -> str:
    return "OrderCaught" if name == "OrderCatched" else name


def _cycle(match: re.Match[str]) -> str:
    index = _CYCLE_INDEX.search(match[1])
    return f"cycle+i={index[1] if index else 0}"


def matches(expected: Json, actual: Json, name: str = "") -> bool:
    """Every expected member is there and equal; a message may be part of a longer one. `name`: of the member."""
    if isinstance(expected, dict):
        return isinstance(actual, dict) and all(
            matches(value, actual[member], member) if member in actual else _is_default(value)
            for member, value in expected.items()
        )
    if isinstance(expected, list):
        return (
            isinstance(actual, list)
            and len(expected) == len(actual)
            and all(map(matches, expected, actual, [name] * len(expected)))
        )
    if name == "message" and isinstance(expected, str):
        return isinstance(actual, str) and message_matches(expected, actual)
    if isinstance(expected, str) and "*" in expected and isinstance(actual, str):
        return _pattern(expected).fullmatch(actual) is not None
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    if isinstance(expected, int | float | Decimal) and isinstance(actual, int | float | Decimal):
        return Decimal(str(expected)) == Decimal(str(actual))
    return bool(expected == actual)


def _is_default(expected: Json) -> bool:
    """A default that the engine omits equals its absence. Numbers have no common default."""
    return expected is None or expected is False or expected in ("", [], {})


def message_matches(expected: str, actual: str) -> bool:
    return _pattern(expected).search(actual) is not None


def _pattern(expected: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, expected.split("*"))), re.DOTALL)


def differences(order_id: str, expected: dict[str, Json], events: Sequence[Json], state: Json) -> list[str]:
    """What is wrong with an order: `events` are all of the order, normalized; `state` its JSON, None when deleted."""
    found = []
    dropped = _DROPPED[expected.get("filter", "noStd")]
    actual = [event for event in events if event["TYPE"] not in dropped]
    for key, compare in _EVENT_LISTS.items():
        if key in expected:
            wanted = [normalized({"TYPE": event} if isinstance(event, str) else event) for event in expected[key]]
            wanted = [event for event in wanted if event["TYPE"] not in dropped]
            if not compare(wanted, actual):
                found.append(_event_difference(f"{order_id}: {key}", wanted, actual))
    for key, value_of in _VALUES.items():
        if key in expected and not matches(normalized(expected[key]), value := value_of(events, state)):
            found.append(f"{order_id}: {key} is {value!r}, expected {expected[key]!r}")
    return found


def _is_subsequence(expected: list[Json], actual: list[Json]) -> bool:
    rest = iter(actual)
    return all(any(matches(event, candidate) for candidate in rest) for event in expected)


_EVENT_LISTS: Final[dict[str, Callable[[list[Json], list[Json]], bool]]] = {
    "events": matches,
    "eventsPrefix": lambda expected, actual: matches(expected, actual[: len(expected)]),
    "eventsEnd": lambda expected, actual: matches(expected, actual[len(actual) - len(expected) :]),
    "eventsContain": _is_subsequence,
}


def _text(event_type: str) -> Callable[[Sequence[Json], Json], str]:
    return lambda events, state: "".join(event["chunk"] for event in events if event["TYPE"] == event_type)


def _members(event_type: str, member: str) -> Callable[[Sequence[Json], Json], list[Json]]:
    return lambda events, state: [event.get(member) for event in events if event["TYPE"] == event_type]


def _historic_outcomes(events: Sequence[Json], state: Json) -> Json:
    return normalized([[entry["position"], entry["outcome"]] for entry in (state or {}).get("historicOutcomes", [])])


_VALUES: Final[dict[str, Callable[[Sequence[Json], Json], Json]]] = {
    "finalState": lambda events, state: "Deleted" if state is None else state["state"]["TYPE"],
    "outcomes": _members("OrderProcessed", "outcome"),
    "historicOutcomes": _historic_outcomes,
    "stdout": _text("OrderStdoutWritten"),
    "stderr": _text("OrderStderrWritten"),
    "said": _members("OrderSaid", "value"),
}


def order_difference(wanted: Sequence[Sequence[str]], events: Sequence[Json]) -> list[str]:
    """`eventOrder`: the first occurrences of (order id, event type) must come in this order."""
    places: list[int] = []
    for order_id, event_type in wanted:
        place = next(
            (
                number
                for number, event in enumerate(events)
                if event.get("Key") == order_id and is_event_type(event["TYPE"], event_type)
            ),
            None,
        )
        if place is None:
            return [f"eventOrder: {order_id} has no {event_type}"]
        if places and place < places[-1]:
            return [f"eventOrder: {event_type} of {order_id} comes too early"]
        places.append(place)
    return []


def _event_difference(title: str, expected: list[Json], actual: list[Json]) -> str:
    lines = [f"{title} differ:"]
    for number in range(max(len(expected), len(actual))):
        wanted = expected[number] if number < len(expected) else None
        found = actual[number] if number < len(actual) else None
        is_same = wanted is not None and found is not None and matches(wanted, found)
        lines.append(f"    {'=' if is_same else '!'} {_short(found)}" + ("" if is_same else f"   expected {wanted}"))
    return "\n".join(lines)


def _short(event: Json) -> str:
    if event is None:
        return "nothing"
    members = {name: value for name, value in event.items() if name not in ("TYPE", "Key")}
    return f"{event['TYPE']} {members}" if members else str(event["TYPE"])
