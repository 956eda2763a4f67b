"""Slow-down of wrong passwords, per account and address together (cockpit-api 1.2: brute-force delay).

The delay is waited *before* the answer to a wrong password and before any check of the same pair, so that guessing in
parallel gains nothing. Other accounts and other addresses are not held up. Memory only, bounded.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from stellwerk.cockpit.configuration import LoginDelays

MAXIMUM_KEYS = 20_000


class _Attempts:
    __slots__ = ("failures", "lock")

    def __init__(self) -> None:
        self.failures = 0
        self.lock = asyncio.Lock()


class LoginBrake:
    """`async with brake.lock(account, address)` serialises attempts of one pair."""

    def __init__(self, delays: LoginDelays) -> None:
        self._delays = delays
        self._attempts: OrderedDict[tuple[str, str], _Attempts] = OrderedDict()

    def lock(self, account: str, address: str) -> asyncio.Lock:
        return self._of(account, address).lock

    def delay_seconds(self, account: str, address: str) -> float:
        """How long the answer to one more wrong password is held back."""
        failures = self._of(account, address).failures
        if failures <= self._delays.free_attempts:
            return 0.0
        if failures <= self._delays.free_attempts + self._delays.short_attempts:
            return self._delays.short_seconds
        return self._delays.long_seconds

    def failed(self, account: str, address: str) -> None:
        self._of(account, address).failures += 1

    async def wait_after_failure(self, account: str, address: str) -> None:
        """Count a wrong password and hold its answer back; inside the lock of the pair."""
        self.failed(account, address)
        await asyncio.sleep(self.delay_seconds(account, address))

    def succeeded(self, account: str, address: str) -> None:
        self._attempts.pop((account, address), None)

    def _of(self, account: str, address: str) -> _Attempts:
        key = (account, address)
        attempts = self._attempts.get(key)
        if attempts is None:
            attempts = self._attempts[key] = _Attempts()
            while len(self._attempts) > MAXIMUM_KEYS:
                self._attempts.popitem(last=False)
        else:
            self._attempts.move_to_end(key)
        return attempts
