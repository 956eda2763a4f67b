"""Writes the generated pages of docs/, and a list of the product: `python -m tests.documentation` (make docs).

The order's diagram is drawn by applying each row of the transition table to one order of each kind: it shows what the
engine does, not what somebody once wrote down.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_args

sys.path.insert(0, str(Path(__file__).parent / "support"))

from order_samples import EVENTS, sample_orders
from tests.documentation_api import published_paths_module
from tests.documentation_cli import cli_page
from tests.documentation_configuration import configuration_page
from tests.documentation_language import functions_page, instructions_page, problems_page, rules_page
from tests.documentation_metrics import metrics_page

from stellwerk.engine.order import AnyState, OrderState, state_name
from stellwerk.engine.transitions import RULES, WITHOUT_FOLLOW_UP

DOCS = Path(__file__).parents[1] / "docs"

HEAD = """# Order states and transitions

This page is generated from the table that the engine runs on (`stellwerk.engine.transitions`). The source of the rules
is the specification, [orders, events, commands](../specification/orders-events-commands.md), section 3.2.

"""


def _tag(state: type[OrderState]) -> str:
    return str(state.__struct_config__.tag)


def _diagram() -> str:
    arrows: dict[tuple[str, str], dict[str, None]] = {}
    for order in sample_orders():
        for event in EVENTS:
            rule = RULES[type(event)]
            if rule.refusal(order, event) is None:
                before, after = state_name(order.state), state_name(rule.effect(order, event).state)
                if before != after:
                    arrows.setdefault((before, after), {})[type(event).__name__.removeprefix("Order")] = None
    # These lead from nearly everywhere: one note instead of forty arrows.
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> Fresh: Added", "    [*] --> Ready: Forked (child)"]
    for (before, after), events in arrows.items():
        events.pop("Broken", None)
        events.pop("CycleFinished", None)
        if events:
            lines.append(f"    {before} --> {after}: {', '.join(events)}")
    lines += ["    Finished --> [*]: Deleted", "    Cancelled --> [*]: Deleted", "```", ""]
    lines += [
        "Event names stand without their prefix `Order`. `OrderBroken` leads to `Broken` from every state but",
        "",
    ]
    lines[-2] += " `Finished` and `Cancelled`."
    return "\n".join(lines)


def _flags() -> str:
    flags = {
        "started": "is_started",
        "detachable": "is_detachable",
        "Controller only": "is_controller_only",
        "terminated": "is_terminated",
        "go": "is_go_commandable",
        "resettable": "is_resettable",
        "failable": "is_failable",
        "cancelable": "is_cancelable",
    }
    lines = ["| State | " + " | ".join(flags) + " |", "|---|" + "---|" * len(flags)]
    for state in get_args(AnyState):
        marks = " | ".join("yes" if getattr(state, attribute) else "" for attribute in flags.values())
        lines.append(f"| `{_tag(state)}` | {marks} |")
    return "\n".join(lines) + "\n"


def _table() -> str:
    lines = [
        "| Event | States before | Attachment | Further conditions | After | looked at again |",
        "|---|---|---|---|---|---|",
    ]
    for event, rule in RULES.items():
        before = "any" if rule.before is None else ", ".join(sorted(_tag(state) for state in rule.before))
        texts = ("not suspended or stopped" if rule.not_suspended else "", rule.guard_text)
        conditions = "; ".join(text for text in texts if text)
        again = "" if event in WITHOUT_FOLLOW_UP else "yes"
        lines.append(f"| `{event.__name__}` | {before} | {rule.attachment} | {conditions} | {rule.after} | {again} |")
    return "\n".join(lines) + "\n"


def order_states_page() -> str:
    """The whole page in Markdown."""
    parts = [HEAD, "## Diagram\n\n", _diagram(), "\n## States and their flags\n\n", _flags(), "\n## Transitions\n\n"]
    return "".join([*parts, "`held` means detached or attached, never in transfer.\n\n", _table()])


PAGES = {
    "reference/order-states.md": order_states_page,
    "reference/cli.md": cli_page,
    "reference/configuration.md": configuration_page,
    "reference/instructions.md": instructions_page,
    "reference/functions.md": functions_page,
    "reference/problems.md": problems_page,
    "reference/check-rules.md": rules_page,
    "reference/metrics.md": metrics_page,
    "../src/stellwerk/cockpit/api/published_paths.py": published_paths_module,
}


if __name__ == "__main__":
    for name, page in PAGES.items():
        (DOCS / name).write_text(page())
        print(f"docs/{name}")
