"""Watching the room on the disk (architecture 6, Disk).

Below `low_space_bytes` the node refuses new work. A reserve file keeps room that is given back when free space falls
below its size, so that running work can finish. When there is room again, the reserve is made anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from stellwerk.effects.disk import Disk, DiskFullError

_CHECK_SECONDS = 0.5
_SLICE_BYTES = 1 << 18


@dataclass(frozen=True)
class Space:
    """Room on the disk, in bytes."""

    free_bytes: int
    #: New work must be refused.
    is_low: bool
    #: The reserve has not been given back.
    has_reserve: bool


class SpaceWatch:
    """Looks at the disk at most every half second; between that `is_low` costs nothing."""

    def __init__(
        self, disk: Disk, name: str, low_space_bytes: int, reserve_bytes: int, on_error: Callable[[OSError], None]
    ) -> None:
        self._disk = disk
        self._on_error = on_error
        self._reserve_name = f"{name}.reserve"
        self._low_space_bytes = low_space_bytes
        self._reserve_bytes = reserve_bytes
        self._next_check = -1.0
        self._has_reserve = False
        self._filling: asyncio.Task[None] | None = None
        self._free_bytes = 0

    async def start(self) -> None:
        """Make the reserve if there is room for it; give an old one back if there is not."""
        self._has_reserve = self._reserve_name in self._disk.names()
        if self._has_reserve and self._disk.size(self._reserve_name) != self._reserve_bytes:
            self._disk.remove(self._reserve_name)
            self._has_reserve = False
        self.check(is_forced=True)
        if self._filling is not None:
            await asyncio.shield(self._filling)

    @property
    def space(self) -> Space:
        self.check()
        return Space(self._free_bytes, self._free_bytes < self._low_space_bytes, self._has_reserve)

    def check(self, is_forced: bool = False) -> None:
        """Look at the disk if the last look is too old; give the reserve back or make it anew."""
        now = asyncio.get_running_loop().time()
        if now < self._next_check and not is_forced:
            return
        self._next_check = now + _CHECK_SECONDS
        self._free_bytes = self._disk.free_bytes()
        if self._filling is not None:
            return
        if self._has_reserve and self._free_bytes < self._reserve_bytes:
            self.give_back()
        elif self._lacks_reserve and self._free_bytes >= self._low_space_bytes + 2 * self._reserve_bytes:
            self._filling = asyncio.create_task(self._fill())

    def give_back(self) -> None:
        """Delete the reserve: running work needs the room."""
        if self._has_reserve:
            self._has_reserve = False
            self._disk.remove(self._reserve_name)
            self._free_bytes = self._disk.free_bytes()

    @property
    def _lacks_reserve(self) -> bool:
        return self._reserve_bytes > 0 and not self._has_reserve

    def close(self) -> None:
        if self._filling is not None:
            self._filling.cancel()

    async def _fill(self) -> None:
        try:
            file = self._disk.create(self._reserve_name)
            try:
                for begin in range(0, self._reserve_bytes, _SLICE_BYTES):
                    file.write(bytes(min(_SLICE_BYTES, self._reserve_bytes - begin)))
                    await asyncio.sleep(0)
                await file.sync()
            finally:
                file.close()
            self._has_reserve = True
            self._free_bytes = self._disk.free_bytes()
        except DiskFullError:
            self._disk.remove(self._reserve_name)  # others took the room; the next check tries again
        except OSError as error:
            self._on_error(error)
        finally:
            self._filling = None
