"""Any workflow: random blocks of all instructions, and the items that they need. The same seed, the same workflow."""

from __future__ import annotations

from random import Random
from typing import Any

#: The order day of the ids that these workflows expect: `#2025-06-01#…`; tests begin at 10:00 UTC of that day.
ORDER_DAY = "#2025-06-01#"

JOBS = {
    name: {
        "agentPath": agent,
        "processLimit": limit,
        "executable": {"TYPE": "ShellScriptExecutable", "script": "true"},
        **more,
    }
    for name, agent, limit, more in (
        ("a", "A", 1, {}),
        ("b", "B", 2, {"subagentBundleIdExpr": "'BUNDLE'"}),
        ("c", "A", 3, {"isNotRestartable": True}),
        (
            "night",
            "A",
            3,
            {"admissionTimeScheme": {"periods": [{"TYPE": "DailyPeriod", "secondOfDay": 36030, "duration": 10}]}},
        ),
        (
            "skipped",
            "A",
            1,
            {
                "skipIfNoAdmissionStartForOrderDay": True,
                "admissionTimeScheme": {"periods": [{"TYPE": "WeekdayPeriod", "secondOfWeek": 36000, "duration": 10}]},
            },
        ),
    )
}

ITEMS: list[dict[str, Any]] = [
    {"TYPE": "Lock", "path": "L"},
    {"TYPE": "Lock", "path": "M", "limit": 2},
    {
        "TYPE": "GlobalBoard",
        "path": "BOARD",
        "postOrderToNoticeKey": "'K'",
        "expectOrderToNoticeKey": "'K'",
        "endOfLife": "$js7EpochMilli + 20000",
    },
    {"TYPE": "PlannableBoard", "path": "PLANNED"},
    {
        "TYPE": "PlanSchema",
        "id": "DailyPlan",
        "unknownPlanIsOpenFunction": "day => $day >= $unknownPlansOpenFrom",
        "namedValues": {"unknownPlansOpenFrom": "2025-01-01"},
    },
    {"TYPE": "Calendar", "path": "CAL", "orderIdPattern": "#([^#]+)#.*", "periodDatePattern": "yyyy-MM-dd"},
    {"TYPE": "SubagentBundle", "id": "BUNDLE", "subagentToPriority": {"B-1": 1, "B-2": "1"}},
    {"path": "ADDED", "instructions": [{"TYPE": "Execute.Named", "jobName": "a"}], "jobs": JOBS},
]

_ALL_DAY = {"periods": [{"TYPE": "DailyPeriod", "secondOfDay": 0, "duration": 86400}]}
_SOON = {"periods": [{"TYPE": "DailyPeriod", "secondOfDay": 36015, "duration": 15}]}
_REPEATS = [
    {"TYPE": "Continuous", "pause": 0, "limit": 2},
    {"TYPE": "Continuous", "pause": 3, "limit": 3},
    {"TYPE": "Ticking", "interval": 20},
    {"TYPE": "Periodic", "period": 60, "offsets": [10, 40]},
]

_LEAVES: list[dict[str, Any]] = [
    {"TYPE": "Fail", "message": "'no'"},
    {"TYPE": "Fail", "uncatchable": True},
    {"TYPE": "Prompt", "question": "'?'"},
    {"TYPE": "Sleep", "duration": "3"},
    {"TYPE": "Sleep", "duration": "30"},
    {"TYPE": "Sleep", "duration": "missing"},
    {"TYPE": "EmptyInstruction"},
    {"TYPE": "Gap"},
    {"TYPE": "Say", "what": "'hello'"},
    {"TYPE": "BreakOrder"},
    {"TYPE": "Stop"},
    {"TYPE": "Finish"},
    {"TYPE": "Finish", "outcome": {"TYPE": "Failed"}},
    {"TYPE": "PostNotices", "boardPaths": ["BOARD"]},
    {"TYPE": "PostNotices", "boardPaths": ["PLANNED", "BOARD"]},
    {"TYPE": "ExpectNotices", "boardPaths": "'BOARD'"},
    {"TYPE": "ExpectNotices", "boardPaths": "'BOARD' && 'PLANNED'", "whenNotAnnounced": "SkipWhenNoNotice"},
    {"TYPE": "ExpectNotices", "boardPaths": "'BOARD' || 'PLANNED'", "whenNotAnnounced": "DontWait"},
    {
        "TYPE": "AddOrder",
        "orderId": f"uniqueOrderId('{ORDER_DAY}C%03d')",
        "workflowPath": "ADDED",
        "deleteWhenTerminated": True,
    },
    {"TYPE": "AddOrder", "orderId": f"'{ORDER_DAY}SAME'", "workflowPath": "ADDED"},
]


#: Instructions that end the order, or its block.
_ENDS = frozenset({"Fail", "BreakOrder", "Stop", "Finish"})

Json = dict[str, Any]


class Generator:
    """Makes blocks; the deeper, the simpler."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def instructions(self, depth: int, is_in_cycle: bool = False) -> list[Json]:
        count = self._random.choice((0, 1, 1, 2, 2, 3))
        return [self._instruction(depth, is_in_cycle) for _ in range(count)]

    def _instruction(self, depth: int, is_in_cycle: bool) -> Json:
        random = self._random
        if depth > 0 and random.random() < 0.6:
            return random.choice(self._NESTED)(self, depth - 1, is_in_cycle)
        if random.random() < 0.4:
            return {"TYPE": "Execute.Named", "jobName": random.choice(sorted(JOBS))}
        if is_in_cycle and random.random() < 0.2:
            return {"TYPE": "Break"}
        leaf = random.choice(_LEAVES)
        # Most orders should live long enough to meet something.
        return leaf if leaf["TYPE"] not in _ENDS or random.random() < 0.3 else {"TYPE": "Execute.Named", "jobName": "c"}

    def _block(self, depth: int, is_in_cycle: bool) -> Json:
        return {"instructions": self.instructions(depth, is_in_cycle)}

    def _if(self, depth: int, is_in_cycle: bool) -> Json:
        predicate = self._random.choice(["true", "false", "$returnCode == 0", "$nope", "tryCount < 2"])
        then, else_ = self._block(depth, is_in_cycle), self._block(depth, is_in_cycle)
        return {"TYPE": "If", "predicate": predicate, "then": then, "else": else_}

    def _retry(self, depth: int, is_in_cycle: bool) -> Json:
        return {
            "TYPE": "Try",
            "try": self._block(depth, is_in_cycle),
            "catch": {"instructions": [{"TYPE": "Retry"}]},
            "maxTries": self._random.randint(1, 3),
            "retryDelays": [self._random.randint(0, 2)],
        }

    def _try(self, depth: int, is_in_cycle: bool) -> Json:
        return {"TYPE": "Try", "try": self._block(depth, is_in_cycle), "catch": self._block(depth, is_in_cycle)}

    def _fork(self, depth: int, is_in_cycle: bool) -> Json:
        return {
            "TYPE": "Fork",
            "joinIfFailed": self._random.random() < 0.5,
            "branches": [
                {"id": f"b{index}", "workflow": self._block(depth, False)}
                for index in range(self._random.randint(0, 3))
            ],
        }

    def _fork_list(self, depth: int, is_in_cycle: bool) -> Json:
        return {
            "TYPE": "ForkList",
            "joinIfFailed": self._random.random() < 0.5,
            "children": f"[{', '.join(map(str, range(self._random.randint(0, 4))))}]",
            "childToId": "(x, i) => $i",
            "childToArguments": "x => {element: $x}",
            "workflow": {**self._block(depth, False), "result": {"elements": "$element"}},
        }

    def _lock(self, depth: int, is_in_cycle: bool) -> Json:
        demands = self._random.choice(
            [
                [{"lockPath": "L"}],
                [{"lockPath": "M", "count": 1}],
                [{"lockPath": "M", "count": 2}, {"lockPath": "L", "count": 1}],
                [{"lockPath": "M"}],
                [{"lockPath": "M", "count": 3}],
            ]
        )
        return {"TYPE": "Lock", "demands": demands, "lockedWorkflow": self._block(depth, is_in_cycle)}

    def _consume(self, depth: int, is_in_cycle: bool) -> Json:
        return {
            "TYPE": "ConsumeNotices",
            "boardPaths": self._random.choice(["'BOARD'", "'PLANNED'", "'BOARD' && 'PLANNED'", "'BOARD' || 'PLANNED'"]),
            "whenNotAnnounced": self._random.choice(["Wait", "SkipWhenNoNotice", "DontWait"]),
            "subworkflow": self._block(depth, is_in_cycle),
        }

    def _options(self, depth: int, is_in_cycle: bool) -> Json:
        value = self._random.choice([{}, {"stopOnFailure": True}, {"stopOnFailure": False}])
        return {"TYPE": "Options", **value, "block": self._block(depth, is_in_cycle)}

    def _sticky(self, depth: int, is_in_cycle: bool) -> Json:
        agent = self._random.choice("AB")
        return {"TYPE": "StickySubagent", "agentPath": agent, "subworkflow": self._block(depth, is_in_cycle)}

    def _admission(self, depth: int, is_in_cycle: bool) -> Json:
        return {
            "TYPE": "AdmissionTime",
            "admissionTimeScheme": self._random.choice([_ALL_DAY, _SOON, _SOON, {"restrictedSchemes": []}]),
            "skipIfNoAdmissionStartForOrderDay": self._random.random() < 0.3,
            "block": self._block(depth, is_in_cycle),
        }

    def _cycle(self, depth: int, is_in_cycle: bool) -> Json:
        schedule = {"schemes": [{"admissionTimeScheme": _ALL_DAY, "repeat": self._random.choice(_REPEATS)}]}
        return {
            "TYPE": "Cycle",
            "cycleWorkflow": self._block(depth, True),
            "schedule": schedule,
            "onlyOnePeriod": self._random.random() < 0.3,
        }

    _NESTED = (
        _if,
        _retry,
        _try,
        _fork,
        _fork_list,
        _lock,
        _lock,
        _consume,
        _options,
        _sticky,
        _admission,
        _cycle,
    )


def workflow(random: Random, depth: int = 3) -> Json:
    instructions = Generator(random).instructions(depth)
    return {"path": "W", "calendarPath": "CAL", "instructions": instructions, "jobs": JOBS}
