"""What request handlers may use: a typed registry of the Cockpit's services, started and stopped in order.

A service is any object; those that have work of their own implement `Service`. `services.get(Type)` finds it by the
type under which it was added, so that packages of the Cockpit meet here and not in imports of each other.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar, runtime_checkable

T = TypeVar("T")


@runtime_checkable
class Service(Protocol):
    """A service with a life: `start` returns when it is usable, `stop` ends what `start` began."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Services:
    """Services by type."""

    def __init__(self) -> None:
        self._by_type: dict[type, Any] = {}
        self._others: set[int] = set()
        self._started: list[Service] = []

    def add(self, service: T, as_type: type[T] | None = None, *, is_started_here: bool = True) -> T:
        """Register `service` under its class or a base class of it, in the place of a former one.

        `is_started_here` False: somebody else starts and stops it (an active service of the cluster).
        """
        self._by_type[as_type or type(service)] = service
        if not is_started_here:
            self._others.add(id(service))
        return service

    def get(self, type_: type[T]) -> T:
        try:
            service: T = self._by_type[type_]
        except KeyError:
            raise LookupError(f"no service {type_.__name__} has been added to this Cockpit") from None
        return service

    def has(self, type_: type) -> bool:
        return type_ in self._by_type

    async def start(self) -> None:
        """Start in the order of `add`; if one fails, those already started are stopped."""
        try:
            for service in self._by_type.values():
                if isinstance(service, Service) and id(service) not in self._others:
                    await service.start()
                    self._started.append(service)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop in reverse order; a failing stop does not keep the others from stopping."""
        problems: list[Exception] = []
        while self._started:
            try:
                await self._started.pop().stop()
            except Exception as error:
                problems.append(error)
        if problems:
            raise ExceptionGroup("services of the Cockpit did not stop cleanly", problems)
