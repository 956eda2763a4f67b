"""Hashing and checking of passwords with Argon2id."""

from __future__ import annotations

import asyncio

import argon2

#: Longer ones cost more time than they protect.
MAXIMUM_LENGTH = 1000


class Passwords:
    """Hashing runs in a thread; one at a time bounds memory and keeps the other cores for jobs."""

    def __init__(self) -> None:
        # 19 MiB, 2 passes: the OWASP minimum; a login costs about 20 ms of one core.
        self._hasher = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._decoy: str | None = None
        self._turn = asyncio.Lock()

    async def hash(self, password: str) -> str:
        async with self._turn:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def matches(self, hashed: str | None, password: str) -> bool:
        """Whether `password` is the one that was hashed; for no hash (no such account) False, after as much time."""
        compared = hashed
        if compared is None:
            compared = self._decoy = self._decoy or await self.hash("decoy")
        async with self._turn:
            try:
                await asyncio.to_thread(self._hasher.verify, compared, password)
            except argon2.exceptions.VerifyMismatchError:
                return False
        return hashed is not None
