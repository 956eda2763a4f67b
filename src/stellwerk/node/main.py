"""Runs a node as a process: folders, lock, port, signals, and new runs of the node after a reset or a full disk.

The exit code is that of journal spec 5.5: 0 normal, 1 error, 97 restart wanted by a command, 98 and 99 emergency.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import resource
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from stellwerk.cluster.member import Phase
from stellwerk.cluster.peer import ClusterPeer, ClusterPeerFactory, HttpClusterPeer
from stellwerk.effects.system_disk import DirectoryLock, DuplicateStartError, SystemDisk
from stellwerk.effects.waiting import set_within
from stellwerk.journal import JournalDiskFullError, JournalError, delete_at_next_start
from stellwerk.node.configuration import ConfigurationError, NodeConfiguration
from stellwerk.node.logs import set_up_logs
from stellwerk.node.node import EXIT_ERROR, Node, Termination
from stellwerk.node.web import NodeWeb, prepare_directories
from stellwerk.values.problems import ProblemError
from stellwerk.wire.client import Credentials, HttpPeer

logger = logging.getLogger(__name__)

#: How often a node that waits for room on its disk looks again.
ROOM_PAUSE_SECONDS = 1.0


class Lifeline(Protocol):
    """Whoever has started this process (`stellwerk.cli.lifeline`)."""

    def ready(self, **values: Any) -> None: ...

    def watch(self, stop: Callable[[], None]) -> None: ...

    def close(self) -> None: ...


class NodeProcess:
    """Parts that Controller and Agent give: how to make a node, what its web face is."""

    def __init__(self, name: str, configuration: NodeConfiguration, lifeline: Lifeline) -> None:
        self.name = name
        self.configuration = configuration
        self.lifeline = lifeline
        self.disk: SystemDisk
        #: The present run; None between two runs.
        self.node: Node[Any, Any] | None = None
        #: Between two runs: the disk is full, and the next run begins when there is room.
        self.waits_for_room = False
        self._stop_wanted = asyncio.Event()

    async def run(
        self, make_web: Callable[[NodeProcess], NodeWeb], make_node: Callable[[NodeProcess], Awaitable[Node[Any, Any]]]
    ) -> int:
        """Until a signal or a command ends it; returns the exit code."""
        configuration = self.configuration
        try:
            set_up_logs(configuration.log.level, configuration.log.json)
            prepare_directories(configuration)
            lock = DirectoryLock(configuration.state_directory, self.name)
        except (DuplicateStartError, ConfigurationError, ValueError, OSError) as error:
            logger.error("%s does not start: %s", self.name, error)
            return EXIT_ERROR
        raise_file_limit()
        self.disk = SystemDisk(configuration.state_directory)
        try:
            web = make_web(self)
            web.measure(lambda: self.node)
            try:
                await web.start()
            except OSError as error:
                logger.error("%s cannot listen on port %s: %s", self.name, configuration.web.port, error)
                return EXIT_ERROR
            self.lifeline.watch(self._stop_wanted.set)
            try:
                return await self._runs(web, make_node)
            finally:
                web.begin_stop()
                await web.stop()
        finally:
            self.lifeline.close()
            self.disk.close()
            lock.release()

    async def _runs(self, web: NodeWeb, make_node: Callable[[NodeProcess], Awaitable[Node[Any, Any]]]) -> int:
        is_first = True
        while True:
            termination = await self._run_once(web, make_node, is_first)
            is_first = False
            if termination.deletes_journal:
                await delete_at_next_start(self.disk, self.name)
            if self._stop_wanted.is_set() or not termination.is_restart:
                return termination.exit_code
            if termination.waits_for_room and not await self._room():
                return EXIT_ERROR
            logger.info("%s starts again: %s", self.name, termination.reason)

    async def _run_once(
        self, web: NodeWeb, make_node: Callable[[NodeProcess], Awaitable[Node[Any, Any]]], is_first: bool
    ) -> Termination:
        node = await make_node(self)
        self.node = node
        web.ready()  # two nodes of a pair need each other's answers to know their roles
        try:
            await node.start()
        except (JournalError, ProblemError, OSError) as error:
            logger.error("%s does not start: %s", self.name, error)
            node.terminate(Termination(exit_code=EXIT_ERROR, is_immediate=True))
            await node.stop()
            is_full = isinstance(error, JournalDiskFullError)
            return Termination(exit_code=EXIT_ERROR, is_restart=is_full, waits_for_room=is_full, reason=str(error))
        _settle_memory()
        if is_first:
            self.lifeline.ready(port=web.port)
        logger.info("%s is ready on port %s (%s)", self.name, web.port, node.cluster.phase.value)
        stop = asyncio.ensure_future(self._stop_wanted.wait())
        wanted: list[asyncio.Future[Any]] = [stop, node.terminated]
        await asyncio.wait(wanted, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        await node.stop()
        self.node = None
        return node.terminated.result()

    async def _room(self) -> bool:
        """Wait until the disk has room again; False when the process is to stop."""
        wanted = self.configuration.journal.low_space_bytes
        self.waits_for_room = True
        try:
            while self.disk.free_bytes() < wanted:
                if await set_within(self._stop_wanted, ROOM_PAUSE_SECONDS):
                    return False
            return True
        finally:
            self.waits_for_room = False


def health_of(process: NodeProcess, component: str) -> tuple[bool, dict[str, object]]:
    """For `/health`: an active node that works, and a passive one that follows, are well."""
    node = process.node
    phase = Phase.STARTING if node is None else node.cluster.phase
    is_healthy = node is not None and (node.is_ready or phase is Phase.PASSIVE) and not node.is_stopping
    status = "waiting for room on the disk" if process.waits_for_room else "starting or stopping"
    details: dict[str, object] = {"status": "ok" if is_healthy else status, "component": component}
    if node is not None and phase not in (Phase.STARTING, Phase.STOPPED):
        details["cluster"] = node.cluster_status().public()
    return is_healthy, details


def cluster_peers(configuration: NodeConfiguration, prefix: str, user_id: str) -> ClusterPeerFactory:
    """How a node reaches the other one of its pair. A slow answer is as good as none: time-outs are short."""
    section = configuration.cluster
    credentials = None if section.password is None else Credentials(section.user or user_id, section.password)
    timing = section.configuration().timing
    tls = configuration.client_tls()

    def peer(uri: str) -> ClusterPeer:
        return HttpClusterPeer(
            HttpPeer(
                uri,
                prefix,
                credentials,
                tls=tls,
                idle_timeout_seconds=timing.active_lost,
                answer_timeout_seconds=timing.active_lost,
                connect_timeout_seconds=timing.consent_timeout / 2,
            )
        )

    return peer


def _settle_memory() -> None:
    """What has been recovered stays: the garbage collector need not look through it again and again."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def raise_file_limit() -> None:
    """Each job takes three descriptors, each connection one: use all that the system allows us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if hard != resource.RLIM_INFINITY else max(soft, 1 << 20)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError) as error:
            logger.warning("The limit of open files stays at %s: %s", soft, error)
