"""Any workflow, to the inventory spelling and back: the same workflow (workflow spec 9)."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from generated_workflows import workflow as generated

from stellwerk.language.inventory import Target, workflow_from_engine, workflow_to_engine
from stellwerk.language.workflow import read_workflow

#: What the inventory spelling fills in, or says in another way of the same meaning.
_ADDED = ("calendar_path", "order_preparation", "version_id", "path", "source")


def _as_specified(value: Any) -> Any:
    """The two things that the inventory spelling cannot keep: AddOrder's id is generated, Fail has a return code."""
    if isinstance(value, list):
        return [_as_specified(element) for element in value]
    if not isinstance(value, dict):
        return value
    value = {name: _as_specified(member) for name, member in value.items()}
    if value.get("TYPE") == "AddOrder":
        value["orderId"] = "'generated'"
    elif value.get("TYPE") == "Fail":
        value["namedValues"] = {"returnCode": 1, **value.get("namedValues", {})}
    return value


@pytest.mark.parametrize("first_seed", range(0, 200, 25))
def test_engine_to_inventory_and_back(first_seed: int) -> None:
    for seed in range(first_seed, first_seed + 25):
        engine = json.loads(json.dumps({"TYPE": "Workflow", "versionId": "1", **generated(Random(seed))}))
        inventory = json.loads(json.dumps(workflow_from_engine(engine)))
        again = workflow_to_engine(inventory, Target(path="/W", version_id="1"))
        assert again.problems == (), f"seed {seed}"
        first, second = read_workflow(_as_specified(engine)), read_workflow(_as_specified(again.value))
        for name in first.definition.__struct_fields__:
            if name not in _ADDED:
                assert getattr(first.definition, name) == getattr(second.definition, name), f"seed {seed}: {name}"
