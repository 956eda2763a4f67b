"""A node's side of the cluster watch: one request at a time is published, and the watches confirm it (spec 1.10.1).

    arbiters = Arbiters("Primary", random)
    async for line in arbiters.requests("joc", 1.0): ...        # GET cluster/clusterWatchMessage
    arbiters.confirm(command)                                   # POST cluster/command ClusterWatchConfirm
    verdict = await arbiters.ask(ClusterWatchCheckState(...), ("joc",), timing)

Either one watch arbitrates, known by its id, which may change hands after a silence; or three do, of which two must
agree. `ask` waits as long as its caller lets it: no answer is no answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec
from msgspec.structs import replace

from stellwerk.cluster.messages import (
    AnyWatchRequest,
    ClusterWatchAskNodeLoss,
    ClusterWatchCommitNodeLoss,
    ClusterWatchConfirm,
)
from stellwerk.effects.clock import Random
from stellwerk.effects.waiting import done_within
from stellwerk.engine.events.cluster import ClusterPassiveLost, ClusterTiming
from stellwerk.values.json import encode
from stellwerk.values.problems import Problem, ProblemError

#: Remembered run ids of watches (`watch.uniqueness-memory-size`).
_MEMORY_SIZE = 1000
_FIRST_REQUEST_ID = 1_000_000


class Verdict(msgspec.Struct, frozen=True):
    """What the watches say. `problem` None: confirmed, by the watches `ids`."""

    problem: Problem | None
    ids: tuple[str, ...]
    manual_confirmer: str | None = None


class _Outstanding:
    """The published request, and the answers so far."""

    def __init__(self, request: AnyWatchRequest, ids: tuple[str, ...], timing: ClusterTiming) -> None:
        self.request = request
        self.line = encode(request)
        self.ids = ids
        self.timing = timing
        self.answers: dict[str, ClusterWatchConfirm] = {}
        self.verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()


class Arbiters:
    """See the module. `on_heard(watch_id)` is called for each accepted confirmation."""

    def __init__(self, random: Random) -> None:
        self._loop = asyncio.get_running_loop()
        self._request_id = int.from_bytes(random.token_bytes(4), "big") % 1_000_000 * _FIRST_REQUEST_ID
        self._outstanding: _Outstanding | None = None
        self._publication = 0
        self._changed: asyncio.Future[None] = self._loop.create_future()
        self._is_closed = False
        self._turn = asyncio.Lock()
        #: Run id → watch id; the newest last.
        self._run_ids: dict[str, str] = {}
        self._current_run: dict[str, str] = {}
        #: Watch id → loop time of its last accepted confirmation.
        self.heard_at: dict[str, float] = {}
        #: Watch ids with an open stream, counted.
        self.connected: dict[str, int] = {}
        self.on_connected: Callable[[], None] = lambda: None

    # --- towards the watches ---

    async def requests(self, watch_id: str, keep_alive_seconds: float) -> AsyncIterator[bytes]:
        """The requests as lines without line feed; `b""` at the beginning and as keep-alive."""
        self.connected[watch_id] = self.connected.get(watch_id, 0) + 1
        self.on_connected()
        try:
            yield b""
            seen = 0
            while not self._is_closed:
                outstanding = self._outstanding
                if outstanding is not None and seen != self._publication:
                    seen = self._publication
                    yield outstanding.line
                    continue
                if not await done_within(self._changed, keep_alive_seconds):
                    yield b""
        finally:
            self.connected[watch_id] -= 1
            if not self.connected[watch_id]:
                del self.connected[watch_id]

    def confirm(self, command: ClusterWatchConfirm) -> None:
        """Accept an answer. Raises `ProblemError` when it is not one to what has been asked."""
        watch_id = command.cluster_watch_id
        self._check_run_id(command)
        outstanding = self._outstanding
        if outstanding is None:
            is_other = any(id_ != watch_id for id_ in self.heard_at)
            code = "OtherClusterWatchStillAlive" if is_other else "ClusterWatchRequestDoesNotMatch"
            raise ProblemError.of(code)
        if outstanding.ids and watch_id not in outstanding.ids:
            self._check_change(outstanding, command)
        if command.request_id != outstanding.request.request_id:
            raise ProblemError.of("ClusterWatchRequestDoesNotMatch")
        self.heard_at[watch_id] = self._loop.time()
        outstanding.answers[watch_id] = command
        self._decide(outstanding)

    def _check_run_id(self, command: ClusterWatchConfirm) -> None:
        watch_id, run_id = command.cluster_watch_id, command.cluster_watch_run_id
        if self._current_run.get(watch_id) == run_id:
            return
        if run_id in self._run_ids:
            raise ProblemError.of("ClusterWatchIdNotUnique", clusterWatchId=watch_id, clusterWatchRunId=run_id)
        self._run_ids[run_id] = watch_id
        self._current_run[watch_id] = run_id
        if len(self._run_ids) > _MEMORY_SIZE:
            del self._run_ids[next(iter(self._run_ids))]

    def _check_change(self, outstanding: _Outstanding, command: ClusterWatchConfirm) -> None:
        """Another watch than the registered one: only after a silence, and not to declare the passive node lost."""
        wanted = "+".join(outstanding.ids)
        refusal = ProblemError.of("ClusterWatchIdDoesNotMatch", rejectedId=command.cluster_watch_id, requestedId=wanted)
        if len(outstanding.ids) > 1:
            raise refusal
        heard_at = self.heard_at.get(wanted)
        if heard_at is not None and self._loop.time() - heard_at < outstanding.timing.watch_id:
            raise ProblemError.of("OtherClusterWatchStillAlive")
        request = outstanding.request
        is_loss = isinstance(request, ClusterWatchAskNodeLoss | ClusterWatchCommitNodeLoss) and isinstance(
            request.event, ClusterPassiveLost
        )
        if is_loss and command.manual_confirmer is None:
            raise refusal

    def _decide(self, outstanding: _Outstanding) -> None:
        if outstanding.verdict.done():
            return
        needed = 2 if len(outstanding.ids) == 3 else 1
        for has_problem in (False, True):
            answers = {
                id_: answer
                for id_, answer in outstanding.answers.items()
                if (answer.problem is not None) == has_problem
            }
            if len(answers) >= needed:
                last = list(answers.values())[-1]
                outstanding.verdict.set_result(Verdict(last.problem, tuple(answers), last.manual_confirmer))
                return

    # --- towards the node ---

    async def ask(
        self,
        request: Callable[[int], AnyWatchRequest],
        ids: Sequence[str],
        timing: ClusterTiming,
    ) -> Verdict:
        """Publish a request until it is answered. `request` makes it with its id; `ids` may answer (none: anybody)."""
        async with self._turn:
            self._request_id += 1
            outstanding = _Outstanding(request(self._request_id), tuple(ids), timing)
            self._outstanding = outstanding
            try:
                while True:
                    self._publish()
                    if await done_within(outstanding.verdict, timing.watch_reaction):
                        return outstanding.verdict.result()
            finally:
                self._outstanding = None

    def is_heard(self, ids: Sequence[str]) -> bool:
        """Whether enough watches are connected to decide anything."""
        if not ids:
            return bool(self.connected)
        return sum(id_ in self.connected for id_ in ids) >= (2 if len(ids) == 3 else 1)

    def silence_seconds(self, watch_id: str) -> float | None:
        """Since the watch has last answered; None: it has not."""
        heard_at = self.heard_at.get(watch_id)
        return None if heard_at is None else round(self._loop.time() - heard_at, 3)

    def close(self) -> None:
        """End all streams."""
        self._is_closed = True
        self._wake()

    def _publish(self) -> None:
        self._publication += 1
        self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, self._loop.create_future()
        changed.set_result(None)


def with_id(request: AnyWatchRequest) -> Callable[[int], AnyWatchRequest]:
    """`request` with the id that `Arbiters.ask` gives it."""
    return lambda request_id: replace(request, request_id=request_id)
