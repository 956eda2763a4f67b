"""`stellwerk witness`: a tiny process that arbitrates between the nodes of pairs, and remembers (cluster spec 1.10, 7).

    DATA/witness.toml       id = "witness-1"
                            [web]                       # optional: health and metrics
                            [pairs.controller]          # any name
                            nodes = ["https://c1:4444", "https://c2:4444"]
    DATA/private.toml       [pairs.controller]
                            user = "witness-1"
                            password = "…"
    DATA/state/             what it remembers: a file for each pair

It opens connections; nobody needs to connect to it. An Agent's process can be a witness, too, by `[witness]` of its
agent.toml: then it remembers in DATA/witness/, of which the Agent's own journal and state know nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from stellwerk.cluster.peer import HttpClusterPeer
from stellwerk.cluster.watch import Knowledge
from stellwerk.cluster.watcher import DiskMemory, WatchedNode, Watcher
from stellwerk.effects.clock import Random, SystemClock, SystemRandom
from stellwerk.effects.disk import Disk
from stellwerk.effects.system_disk import DirectoryLock, DuplicateStartError, SystemDisk
from stellwerk.engine.cluster import name_of
from stellwerk.node.configuration import AgentConfiguration, ComponentConfiguration, WatchedPair, WitnessSection
from stellwerk.node.logs import set_up_logs
from stellwerk.node.main import Lifeline
from stellwerk.node.node import EXIT_ERROR
from stellwerk.node.web import NodeWeb, prepare_directories
from stellwerk.wire.client import Credentials, HttpPeer
from stellwerk.wire.tls import TlsOptions

logger = logging.getLogger(__name__)

#: A node that does not answer within that time may be gone: better to look again.
_CONNECT_TIMEOUT_SECONDS = 1.0
_ANSWER_TIMEOUT_SECONDS = 5.0


class WitnessConfiguration(ComponentConfiguration, frozen=True, forbid_unknown_fields=True, kw_only=True):
    id: str = "witness"
    pairs: dict[str, WatchedPair] = {}


class Witness:
    """The watches of some pairs, as tasks of this process."""

    def __init__(
        self, watch_id: str, pairs: Mapping[str, WatchedPair], disk: Disk, random: Random, tls: TlsOptions | None
    ) -> None:
        self.watchers = {
            name: Watcher(
                watch_id,
                pair.nodes,
                _Peers(watch_id, pair, tls),
                DiskMemory(disk, f"watch-{name}.json", Knowledge),
                random,
                requires_failover_confirmation=pair.require_failover_confirmation,
                on_unconfirmed=lambda lost, name=name: logger.warning(  # type: ignore[misc]
                    "%s: a person must confirm that %s has been stopped", name, lost
                ),
            )
            for name, pair in pairs.items()
        }

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for name, watcher in self.watchers.items():
                tasks.create_task(watcher.run(), name=f"witness of {name}")

    def status(self) -> dict[str, object]:
        """For people: per pair what is known of it, and which nodes are connected."""
        status: dict[str, object] = {}
        for name, watcher in self.watchers.items():
            knowledge = watcher.watch.knowledge if watcher.is_started else None
            status[name] = {
                "clusterState": None if knowledge is None else name_of(knowledge.state),
                "activeId": None if knowledge is None else knowledge.state.active_id,
                "connected": sorted(watcher.connected),
            }
        return status


class _Peers:
    """Connections to the nodes of one pair."""

    def __init__(self, watch_id: str, pair: WatchedPair, tls: TlsOptions | None) -> None:
        self._watch_id = watch_id
        self._pair = pair
        self._tls = tls

    def __call__(self, uri: str) -> WatchedNode:
        pair = self._pair
        credentials = None if pair.password is None else Credentials(pair.user or self._watch_id, pair.password)
        return HttpClusterPeer(
            HttpPeer(
                uri,
                pair.kind,
                credentials,
                tls=self._tls,
                answer_timeout_seconds=_ANSWER_TIMEOUT_SECONDS,
                connect_timeout_seconds=_CONNECT_TIMEOUT_SECONDS,
            )
        )


@asynccontextmanager
async def witness_of_agent(configuration: AgentConfiguration, section: WitnessSection) -> AsyncIterator[Witness]:
    """The witness in an Agent's process, at work.

    The Agent goes on when the witness cannot: that is told in the log, and its pairs see one watch less.
    """
    configuration.witness_directory.mkdir(mode=0o700, exist_ok=True)
    disk = SystemDisk(configuration.witness_directory)
    witness = Witness(section.id, section.pairs, disk, SystemRandom(), configuration.client_tls())
    watching = asyncio.create_task(witness.run(), name="witness")
    watching.add_done_callback(_tell_of_end)
    logger.info("The witness %s watches %s", section.id, ", ".join(section.pairs) or "nothing yet")
    try:
        yield witness
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        disk.close()


def _tell_of_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("The witness in this process ends; start the Agent again", exc_info=error)


async def run_witness(configuration: WitnessConfiguration, lifeline: Lifeline) -> int:
    """Run until a signal ends it; returns the exit code."""
    try:
        set_up_logs(configuration.log.level, configuration.log.json)
        prepare_directories(configuration)
        lock = DirectoryLock(configuration.state_directory, "witness")
    except (DuplicateStartError, ValueError, OSError) as error:
        logger.error("The witness does not start: %s", error)
        return EXIT_ERROR
    disk, clock, random = SystemDisk(configuration.state_directory), SystemClock(), SystemRandom()
    witness = Witness(configuration.id, configuration.pairs, disk, random, configuration.client_tls())
    web = NodeWeb(
        configuration,
        clock,
        random,
        "/witness",
        health=lambda: (True, {"status": "ok", "component": "witness", "pairs": witness.status()}),
    )
    stop_wanted = asyncio.Event()
    try:
        await web.start()
        web.ready()
        watching = asyncio.create_task(witness.run(), name="witness")
        lifeline.watch(stop_wanted.set)
        lifeline.ready(port=web.port)
        logger.info("The witness %s watches %s", configuration.id, ", ".join(configuration.pairs) or "nothing yet")
        stop = asyncio.create_task(stop_wanted.wait())
        await asyncio.wait([stop, watching], return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        watching.cancel()
        (failure,) = await asyncio.gather(watching, return_exceptions=True)
        if isinstance(failure, Exception):
            logger.error("The witness ends", exc_info=failure)
            return EXIT_ERROR
        return 0
    finally:
        await web.stop(0.5)
        lifeline.close()
        disk.close()
        lock.release()
