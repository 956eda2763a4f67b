"""Services that run on the active member only (cluster.md 4.4).

They start in parallel when the role is acquired and stop in parallel when it is lost. What they write goes through
`Fence.write`: a service that has not noticed yet that the role is lost writes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Protocol, runtime_checkable

import structlog

from stellwerk.cockpit.cluster.election import StartMode

_logger = structlog.get_logger(__name__)


class ActiveService(Protocol):
    """A service of the active member. It may be started and stopped many times in one process."""

    async def start(self, mode: StartMode) -> None:
        """Returns when it works. May be cancelled: then `stop` follows."""
        ...

    async def stop(self) -> None:
        """End everything that `start` has begun; also after a `start` that has failed."""
        ...


@runtime_checkable
class RunnableService(Protocol):
    """An active service that can be told to do its work now (`joc/cluster/run`)."""

    async def run_now(self) -> str:
        """Gives a `JocClusterState`: RUNNING, ALREADY_RUNNING, MISSING_CONFIGURATION."""
        ...


class ActiveServices:
    """Active services by name; the names are those of `ClusterServices` where it has one."""

    def __init__(self) -> None:
        self._services: dict[str, ActiveService] = {}
        self._one_at_a_time = asyncio.Lock()
        self.are_running = False

    def add(self, name: str, service: ActiveService) -> None:
        """To be called before the Cockpit is started."""
        self._services[name] = service

    def get(self, name: str) -> ActiveService | None:
        return self._services.get(name)

    async def start_all(self, mode: StartMode) -> None:
        """Start all; if one fails, all are stopped and its error is raised."""
        async with self._one_at_a_time:
            _logger.info("active services start", mode=mode.value, services=list(self._services))
            try:
                await _all(service.start(mode) for service in self._services.values())
            except BaseException:
                await self._stop()
                raise
            self.are_running = True

    async def stop_all(self) -> None:
        """Stop all. A failing stop does not keep the others from stopping; its error is raised at the end."""
        async with self._one_at_a_time:
            await self._stop()

    async def _stop(self) -> None:
        self.are_running = False
        await _all(service.stop() for service in self._services.values())

    async def restart(self, name: str | None) -> None:
        """Restart one running service, or (None) all."""
        async with self._one_at_a_time:
            if not self.are_running:
                return
            chosen = list(self._services.values()) if name is None else [self._services[name]]
            try:
                await _all(service.stop() for service in chosen)
                await _all(service.start(StartMode.MANUAL_RESTART) for service in chosen)
            except BaseException:
                await self._stop()
                raise


async def _all(work: Iterable[Awaitable[None]]) -> None:
    results = await asyncio.gather(*work, return_exceptions=True)
    errors = [result for result in results if isinstance(result, BaseException)]
    if errors:
        raise BaseExceptionGroup("active services of the Cockpit", errors)
