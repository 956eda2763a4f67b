"""Every instruction under `kill -9`: orders of a workflow with all of them, while components die at random.

What must hold: each order ends as its workflow says, each job of each order and child order is done exactly as often as
it must be, nobody is in a lock's block beside somebody else, and each event was possible.
"""

from __future__ import annotations

import collections
import random
import threading
import time
from pathlib import Path
from typing import Any

import controller_checks
import controller_events
import pytest
import witness
from up_process import Api, UpProcess, wait_until

AGENTS = ["agent-1", "agent-2"]
FOLDER = "/every"
SHORT_ORDERS, LONG_ORDERS = 8, 60
SHORT_KILLS, LONG_KILLS = 1, 6
DEADLINE_SECONDS = 900.0

_ALWAYS = {"periods": [{"TYPE": "DailyPeriod", "secondOfDay": 0, "duration": 86400}]}

#: Label → how often an order (with all its children) must have done it with success.
EXPECTED = {
    "begin": 1,
    "locked": 1,
    "element": 3,
    "left": 1,
    "right": 1,
    "flaky": 1,
    "told": 1,
    "cycle": 2,
    "admitted": 1,
    "sticky-1": 1,
    "sticky-2": 1,
    "chosen": 1,
    "caught": 1,
    "end": 1,
}


def job(name: str) -> dict[str, Any]:
    return {"TYPE": "Execute.Named", "jobName": name, "label": name}


def block(*instructions: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"instructions": list(instructions), **members}


def every_instruction() -> list[dict[str, Any]]:
    return [
        job("begin"),
        {"TYPE": "Lock", "demands": [{"lockName": "only-one"}], "lockedWorkflow": block(job("locked"))},
        {
            "TYPE": "ForkList",
            "children": "elements",
            "childToId": "name",
            "workflow": block(job("element"), result={"names": "$name"}),
        },
        {
            "TYPE": "Fork",
            "branches": [
                {
                    "id": "left",
                    "workflow": block(
                        {
                            "TYPE": "Lock",
                            "demands": [{"lockName": "pair", "count": 1}],
                            "lockedWorkflow": block(job("left")),
                        }
                    ),
                },
                {"id": "right", "workflow": block(job("right"), {"TYPE": "Sleep", "duration": "0.1"})},
            ],
        },
        {
            "TYPE": "Try",
            "try": block(job("flaky")),
            "catch": block({"TYPE": "Retry"}),
            "maxTries": 100,
            "retryDelays": [0.2],
        },
        {"TYPE": "PostNotices", "noticeBoardNames": ["told"]},
        {"TYPE": "ExpectNotices", "noticeBoardNames": "'told'"},
        {"TYPE": "ConsumeNotices", "noticeBoardNames": "'told'", "subworkflow": block(job("told"))},
        {
            "TYPE": "Cycle",
            "schedule": {
                "schemes": [
                    {
                        "admissionTimeScheme": _ALWAYS,
                        "repeat": {"TYPE": "Continuous", "pause": 0.1, "limit": 5},
                    }
                ]
            },
            "cycleWorkflow": block(
                job("cycle"),
                {
                    "TYPE": "If",
                    "predicate": "$js7WorkflowPosition matches '.*,i=2.*'",
                    "then": block({"TYPE": "Break"}),
                },
            ),
        },
        {"TYPE": "AdmissionTime", "admissionTimeScheme": _ALWAYS, "block": block(job("admitted"))},
        {
            "TYPE": "StickySubagent",
            "agentName": AGENTS[0],
            "subworkflow": block(job("sticky-1"), job("sticky-2")),
        },
        {
            "TYPE": "CaseWhen",
            "cases": [
                {"predicate": "false", "then": block({"TYPE": "Fail"})},
                {"predicate": "$elements(2).name == 'c'", "then": block(job("chosen"))},
            ],
            "else": block({"TYPE": "Fail"}),
        },
        {
            "TYPE": "Try",
            "try": block({"TYPE": "Fail", "message": "'on purpose'"}),
            "catch": block({"TYPE": "Options", "stopOnFailure": True, "block": block(job("caught"))}),
        },
        {"TYPE": "AddOrder", "workflowName": "added", "arguments": {}, "remainWhenTerminated": False},
        {"TYPE": "EmptyInstruction"},
        {"TYPE": "Prompt", "question": "'Go on?'"},
        {"TYPE": "Segment", "block": block(job("end"))},
        {"TYPE": "Finish"},
    ]


def workflow(folder: Path) -> dict[str, Any]:
    jobs = {
        name: witness.witness_job(AGENTS[number % 2], folder, "0.1", "0" if name != "flaky" else _FLAKY_CODE)
        for number, name in enumerate(EXPECTED)
    }
    for name in ("sticky-1", "sticky-2"):
        jobs[name]["agentName"] = AGENTS[0]
    parameters = {"elements": {"type": "List", "listParameters": {"name": {"type": "String"}}}}
    return {
        "version": "1.7.0",
        "timeZone": "Etc/UTC",
        "orderPreparation": {"allowUndeclared": False, "parameters": parameters},
        "instructions": every_instruction(),
        "jobs": jobs,
    }


#: The first try fails, the next one succeeds.
_FLAKY_CODE = "if $js7TryCount < 2 then 1 else 0"


def deploy(api: Api, folder: Path) -> str:
    added = {
        "version": "1.7.0",
        "timeZone": "Etc/UTC",
        "instructions": [job("added")],
        "jobs": {"added": witness.witness_job(AGENTS[1], folder, "0.1")},
    }
    board = {"boardType": "GLOBAL", "postOrderToNoticeId": "$js7OrderId", "endOfLife": "$js7EpochMilli + 86400000"}
    objects: list[tuple[str, str, Any]] = [
        ("only-one", "LOCK", {"limit": 1}),
        ("pair", "LOCK", {"limit": 2}),
        ("told", "NOTICEBOARD", board),
        ("added", "WORKFLOW", added),
        ("every", "WORKFLOW", workflow(folder)),
    ]
    drafts = []
    for name, kind, configuration in objects:
        path = {"path": f"{FOLDER}/{name}", "objectType": kind}
        api.post("inventory/store", {**path, "configuration": configuration})
        drafts.append({"configuration": path})
    api.post(
        "inventory/deployment/deploy",
        {"controllerIds": [api.controller_id], "store": {"draftConfigurations": drafts}},
    )
    return f"{FOLDER}/every"


class Confirmer(threading.Thread):
    """Answers prompts, as a person would: again and again, until nobody asks any more."""

    def __init__(self, up: UpProcess) -> None:
        super().__init__(daemon=True)
        self._api = up.api()
        self._is_over = threading.Event()

    def run(self) -> None:
        controller = {"controllerId": self._api.controller_id}
        while not self._is_over.wait(0.2):
            answer = self._api.call("orders", {**controller, "states": ["PROMPTING"]})
            orders = answer.body.get("orders", []) if answer.status == 200 else []
            for order in orders:
                self._api.call("orders/confirm", {**controller, "orderIds": [order["orderId"]]})

    def stop(self) -> None:
        self._is_over.set()
        self.join()


def test_every_instruction_survives_kills(data: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    is_long = bool(request.config.getoption("--long", default=False))
    seed = int(request.config.getoption("--seed", default=None) or 1)
    count, kills_of_each = (LONG_ORDERS, LONG_KILLS) if is_long else (SHORT_ORDERS, SHORT_KILLS)
    witness.prepare(tmp_path)
    with UpProcess(data) as up:
        controller_events.prepare(up, AGENTS)
        up.start()
        api = up.api()
        path = deploy(api, tmp_path)
        confirmer = Confirmer(up)
        confirmer.start()
        orders = []
        for number in range(count):
            arguments = {"elements": [{"name": name} for name in "abc"]}
            body = api.order_request(path, f"every-{number}", arguments=arguments)
            answer = api.post_until_answered("orders/add", body, f"every-{number}")
            assert answer.status == 200, answer.body
            orders += answer.body["orderIds"]
        kills = _kill(up, tmp_path, count * (sum(EXPECTED.values()) + 1), kills_of_each, seed)
        ended: dict[str, str] = {}

        def all_have_ended() -> bool:
            history = api.history()
            ended.clear()
            ended.update({id_: row["state"]["_text"] for id_, row in history.items()})
            return len(ended) >= 2 * count and all(state == "SUCCESSFUL" for state in ended.values())

        wait_until(all_have_ended, lambda: f"the end of all orders: {ended}, kills {kills}", DEADLINE_SECONDS)
        confirmer.stop()
        assert len(ended) == 2 * count, f"{count} orders, each of which adds one: {sorted(ended)}"
        wait_until(lambda: all("endTime" in task for task in api.tasks()), "the end of all tasks", DEADLINE_SECONDS)
        _check(api, tmp_path, orders, f"seed {seed}, kills {kills}")
        stream = controller_events.read(up)
        state = controller_checks.every_event_was_possible(stream)
        assert not any(state.locks.holders.values()), "a lock is held by nobody's order"
        assert not state.notices.consumptions
        for order_id in ended:
            controller_checks.history_is_the_same(api, stream, order_id)
        controller_events.release(up, stream.last_event_id)
        assert up.stop() == 0
        up.no_process_is_left()


def _kill(up: UpProcess, folder: Path, starts: int, kills_of_each: int, seed: int) -> list[tuple[str, int]]:
    """Kill components at random moments of the jobs' progress."""
    seeded = random.Random(f"instructions {seed}")
    victims = [*AGENTS, "controller", "cockpit"] * kills_of_each
    seeded.shuffle(victims)
    moments = sorted(seeded.uniform(0.05, 0.85) * starts for _ in victims)
    kills: list[tuple[str, int]] = []
    for victim, moment in zip(victims, moments, strict=True):
        wait_until(
            lambda needed=moment: witness.count_starts(folder) >= needed,  # type: ignore[misc]
            lambda needed=moment: f"{needed} starts; there are {witness.count_starts(folder)}; kills {kills}",  # type: ignore[misc]
            DEADLINE_SECONDS,
        )
        up.kill(victim)
        kills.append((victim, witness.count_starts(folder)))
        time.sleep(seeded.choice([0.0, 0.2, 0.8]))  # how long it is away: part of the fault
        up.restart(victim)
    return kills


def _check(api: Api, folder: Path, orders: list[str], what: str) -> None:
    tasks = api.tasks()
    faults = witness.compare(witness.read(folder), tasks)
    assert not faults, "\n".join([what, *faults])
    done: collections.Counter[tuple[str, str]] = collections.Counter()
    for task in tasks:
        if task["state"]["_text"] == "SUCCESSFUL":
            done[task["orderId"].split("|")[0], task["label"]] += 1
    wrong = {
        (order_id, label): done[order_id, label]
        for order_id in orders
        for label, times in EXPECTED.items()
        if done[order_id, label] != times
    }
    assert not wrong, f"{what}: done another number of times than expected: {wrong}"
    assert sum(times for (_, label), times in done.items() if label == "added") == len(orders), what
