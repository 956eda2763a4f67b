"""`GET /metrics` in Prometheus' text format (journal spec 3.7).

Each component has a registry of its own, so that several nodes in one process (tests, `up`, simulation) do not mix
their figures.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from stellwerk.wire.request import Request
from stellwerk.wire.responses import HttpError, Response
from stellwerk.wire.router import Handler, Permission, Router

CONTENT_TYPE = "text/plain; version=0.0.4; charset=UTF-8"


def metrics_registry(*, with_process: bool = True) -> CollectorRegistry:
    """A registry for one component; `with_process` adds memory, CPU time and open files of the process."""
    registry = CollectorRegistry(auto_describe=True)
    if with_process:
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
    return registry


def metrics_text(*registries: CollectorRegistry) -> bytes:
    """The figures of all registries in Prometheus' text format 0.0.4."""
    return b"".join(generate_latest(registry) for registry in registries)


def metrics_handler(
    *registries: CollectorRegistry, deep: Callable[[], Awaitable[list[bytes]]] | None = None
) -> Handler:
    """The handler of `/metrics`. `deep` fetches the texts of the nodes below, for `?deep=true`.

    One request at a time, others are answered with 429.
    """
    lock = asyncio.Lock()

    async def handle(request: Request) -> Response:
        if lock.locked():
            raise HttpError(429, "Another request for the metrics is being answered; ask again later")
        async with lock:
            texts = [metrics_text(*registries)]
            if deep is not None and request.query.boolean("deep"):
                texts += await deep()
            return Response(b"".join(texts), content_type=CONTENT_TYPE)

    return handle


def add_metrics_route(
    router: Router, *registries: CollectorRegistry, deep: Callable[[], Awaitable[list[bytes]]] | None = None
) -> None:
    """`GET /metrics` with the permission `ReadMetrics`."""
    router.add("GET", "/metrics", metrics_handler(*registries, deep=deep), permission=Permission.READ_METRICS)
