"""The kill test: components are killed with `kill -9` while jobs run, and nothing is lost or done twice.

The short form runs in `make test`, the long one (300 orders of 5 jobs, each component killed 6 times) with
`make black-box`. Kills are seeded; they follow the jobs' progress, so that there is always work to break.
"""

from __future__ import annotations

import collections
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import controller_checks
import controller_events
import pytest
import witness
from up_process import UpProcess, wait_until, workflow_of

AGENTS = ["agent-1", "agent-2"]


@dataclass(frozen=True)
class Form:
    orders: int
    jobs: int
    seconds: tuple[float, float]
    kills_of_each: int
    #: Orders that are under way at a time.
    window: int
    deadline_seconds: float


SHORT = Form(orders=40, jobs=3, seconds=(0.05, 0.5), kills_of_each=2, window=12, deadline_seconds=120)
LONG = Form(orders=300, jobs=5, seconds=(0.1, 3.0), kills_of_each=6, window=40, deadline_seconds=1800)


class Load(threading.Thread):
    """Adds orders throughout; one call per order, repeated with its key until it is answered."""

    def __init__(self, up: UpProcess, workflow: str, folder: Path, form: Form, seed: int) -> None:
        super().__init__(daemon=True)
        self._up, self._workflow, self._folder, self._form = up, workflow, folder, form
        self._random = random.Random(f"load {seed}")
        #: Order id → whether its workflow makes it fail. What has been acknowledged.
        self.orders: dict[str, bool] = {}
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            api = self._up.api()
            for number in range(self._form.orders):
                # The next order comes when about so many are under way, counted by the starts of their jobs.
                threshold = (number - self._form.window) * self._form.jobs
                wait_until(
                    lambda needed=threshold: witness.count_starts(self._folder) >= needed,  # type: ignore[misc]
                    f"{threshold} starts",
                    self._form.deadline_seconds,
                )
                fails = self._random.random() < 0.1
                arguments: dict[str, Any] = {"code": "3" if fails else "0"}
                for job in range(1, self._form.jobs + 1):
                    arguments[f"s{job}"] = f"{self._random.uniform(*self._form.seconds):.2f}"
                request = api.order_request(self._workflow, f"load-{number}", arguments=arguments)
                answer = api.post_until_answered("orders/add", request, f"load-{number}")
                assert answer.status == 200, f"load-{number}: {answer.status} {answer.body}"
                (order_id,) = answer.body["orderIds"]
                assert order_id not in self.orders, f"the id {order_id} was given twice"
                self.orders[order_id] = fails
        except BaseException as error:
            self.error = error


def plan(form: Form, seed: int) -> Iterator[tuple[str, int, float]]:
    """(component, after how many starts of jobs in all, seconds until its restart)."""
    seeded = random.Random(f"kills {seed}")
    victims = [*AGENTS, "controller", "cockpit"] * form.kills_of_each
    seeded.shuffle(victims)
    starts = form.orders * form.jobs
    # All within the first four fifths: there is work to break at each of them.
    moments = sorted(seeded.uniform(0.03, 0.8) * starts for _ in victims)
    for victim, moment in zip(victims, moments, strict=True):
        yield victim, int(moment), seeded.choice([0.0, 0.0, 0.3, 1.0])


@pytest.fixture
def form(request: pytest.FixtureRequest) -> Form:
    return LONG if request.config.getoption("--long", default=False) else SHORT


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    given = request.config.getoption("--seed", default=None)
    return 1 if given is None else int(given)


def test_nothing_is_lost_or_done_twice_when_components_are_killed(
    data: Path, tmp_path: Path, form: Form, seed: int
) -> None:
    witness.prepare(tmp_path)
    with UpProcess(data) as up:
        controller_events.prepare(up, AGENTS)
        up.start()
        jobs = {
            f"step-{number}": witness.witness_job(
                AGENTS[number % 2], tmp_path, f"$s{number}", "$code" if number == form.jobs else "0"
            )
            for number in range(1, form.jobs + 1)
        }
        parameters = {name: {"type": "String"} for name in ("code", *(f"s{n}" for n in range(1, form.jobs + 1)))}
        workflow = up.api().deploy("/load", workflow_of(jobs, parameters))

        load = Load(up, workflow, tmp_path, form, seed)
        load.start()
        kills: list[tuple[str, int]] = []
        for victim, moment, pause_seconds in plan(form, seed):
            wait_until(
                lambda needed=moment: load.error is not None or witness.count_starts(tmp_path) >= needed,  # type: ignore[misc]
                lambda needed=moment: f"{needed} starts; there are {witness.count_starts(tmp_path)}",  # type: ignore[misc]
                form.deadline_seconds,
            )
            assert load.error is None, f"{load.error}\n{kills}"
            up.kill(victim)
            kills.append((victim, witness.count_starts(tmp_path)))
            time.sleep(pause_seconds)  # how long the component is away: part of the fault, nothing waits for it
            up.restart(victim)
        load.join(form.deadline_seconds)
        assert load.error is None, f"{load.error}\n{kills}"
        assert len(load.orders) == form.orders

        api = up.api()
        open_orders: list[str] = []

        def all_have_ended() -> bool:
            history = api.history()
            open_orders[:] = [
                id_ for id_ in load.orders if history.get(id_, {}).get("state", {}).get("_text", "") not in _ENDED
            ]
            return not open_orders

        wait_until(all_have_ended, lambda: f"the end of {open_orders}", form.deadline_seconds)
        # The Cockpit reads the Controller's events in its own time: the last order's end may be there before its log.
        wait_until(
            lambda: all("end" in task or "endTime" in task for task in api.tasks()),
            lambda: f"the end of the tasks {[task for task in api.tasks() if 'endTime' not in task]}",
            form.deadline_seconds,
        )
        history = api.history()
        wrong = {
            id_: history[id_]
            for id_, fails in load.orders.items()
            if history[id_]["state"]["_text"] != ("FAILED" if fails else "SUCCESSFUL")
        }
        assert not wrong, f"orders that did not end as their workflow says: {wrong}"
        assert set(history) == set(load.orders), "orders that nobody has added, or that are doubled"

        seen = witness.read(tmp_path)
        tasks = api.tasks()
        faults = witness.compare(seen, tasks)
        assert not faults, "\n".join([f"seed {seed}, kills {kills}", *faults])
        lost = len(tasks) - form.orders * form.jobs
        counts = collections.Counter((task["orderId"], task["label"]) for task in tasks if not witness.is_lost(task))
        repeated = [key for key, count in counts.items() if count > 1]
        assert not repeated, "\n".join(
            ["done twice:", *(str(task) for task in tasks if (task["orderId"], task["label"]) in repeated)]
        )
        assert lost == sum(1 for task in tasks if witness.is_lost(task)), f"{len(counts)} jobs of orders were done"

        stream = controller_events.read(up)
        controller_checks.every_event_was_possible(stream)
        for order_id in load.orders:
            controller_checks.history_is_the_same(api, stream, order_id)
        print(f"seed {seed}: {form.orders} orders, {seen.starts} starts witnessed, {lost} attempts lost, kills {kills}")

        controller_events.release(up, stream.last_event_id)
        journals_are_bounded(up)
        assert up.stop() == 0
        up.no_process_is_left()


_ENDED = ("SUCCESSFUL", "FAILED")


def journals_are_bounded(up: UpProcess) -> None:
    """Under 16 MiB each after a `TakeSnapshot` with everything finished (issue 3, section 7)."""
    for name in up.names[1:]:
        answer = up.node_request(name, "command", {"TYPE": "TakeSnapshot"})
        assert answer.status == 200, answer

        measure = partial(journal_bytes, up.folder(name) / "state")
        wait_until(
            lambda measure=measure: measure() < 16 << 20,  # type: ignore[misc]
            lambda measure=measure, who=name: f"the journal of {who} to shrink; it has {measure()} bytes",  # type: ignore[misc]
        )


def journal_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*.journal"))
