"""What happens to Agents, Controllers and pairs → what is told of the system, and what is good again. Pure."""

from __future__ import annotations

import msgspec

from stellwerk.cockpit.monitoring.model import Category, Occurrence, Type, fingerprint
from stellwerk.cockpit.projection.clusters import TO_BE_CONFIRMED
from stellwerk.cockpit.projection.observations import AGENT, CONTROLLER, PAIR, SUBAGENT, Observation


class Component(msgspec.Struct, frozen=True):
    """`resolved`: fingerprints of alerts that are over."""

    type: Type
    category: Category
    occurrence: Occurrence | None
    resolved: tuple[str, ...] = ()


def component(controller_id: str, seen: Observation) -> Component:
    """An end that was asked for (a shutdown) is a warning, any other an error."""
    is_of_agent = seen.kind in (AGENT, SUBAGENT) or (seen.kind == PAIR and seen.source != "")
    category = Category.AGENT if is_of_agent else Category.CONTROLLER
    type_ = Type.WARNING if seen.state == "SHUTDOWN" else Type.ERROR
    place = (seen.source or controller_id,)
    if not seen.is_error:
        return Component(type_, category, None, (fingerprint(seen.kind, controller_id, *place),))
    occurrence = Occurrence(
        kind=seen.kind,
        severity="warning" if type_ is Type.WARNING else "error",
        place=place,
        title=_title(controller_id, seen),
        message=None if seen.kind == PAIR else seen.message,
        time_ms=seen.time_ms,
        controller_id=controller_id,
    )
    return Component(type_, category, occurrence)


def _title(controller_id: str, seen: Observation) -> str:
    if seen.kind == PAIR:
        pair = f"Directors of Agent {seen.source}" if seen.source else f"Controller pair {controller_id}"
        lost = seen.message or "a node"
        if seen.state == TO_BE_CONFIRMED:
            return f"{pair}: a person must confirm that {lost} is stopped"
        return f"{pair}: {lost} is lost, the other node goes on alone"
    names = {
        AGENT: f"Agent {seen.source}",
        SUBAGENT: f"Subagent {seen.source}",
        CONTROLLER: f"Controller {seen.source}",
    }
    what = "has been shut down" if seen.state == "SHUTDOWN" else "is not coupled"
    return f"{names[seen.kind]} {what}"
