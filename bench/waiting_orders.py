"""100,000 orders that wait for their time: memory in the Controller, recovery from their snapshot, replay of events."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any

import aiohttp
from bench.installation import Installation, installation, sequence, wait_until
from bench.machine import pss_bytes

from stellwerk.cli.installation import process_start_time
from stellwerk.controller.state import ControllerState
from stellwerk.controller.state_objects import event_decoder, snapshot_decoder
from stellwerk.effects.system_disk import SystemDisk
from stellwerk.journal import recover
from stellwerk.values.events import decode_envelope

_CHUNK = 2000
#: Events folded for the figure of replay, at least.
_REPLAYED_EVENTS = 100_000


async def waiting_orders(count: int = 100_000) -> dict[str, Any]:
    """See the module. The orders stop at a prompt at the Controller first, so that none is sent to the Agent."""
    async with installation() as up:
        flow = sequence(1)
        flow["instructions"] = [{"TYPE": "Prompt", "question": "'Go on?'"}, *flow["instructions"]]
        await up.deploy({"waiting": flow})
        await up.add("waiting", scheduledFor=_in_a_year())
        before = pss_bytes(up.controller_pid)
        begin = time.perf_counter()
        for _ in range(0, count, _CHUNK):
            await up.add("waiting", _CHUNK, scheduledFor=_in_a_year())
        added = time.perf_counter() - begin
        figures = await up.figures("controller")
        if figures["stellwerk_orders"] != count + 1:
            raise AssertionError(f"the Controller has {figures['stellwerk_orders']} orders")
        memory = (pss_bytes(up.controller_pid) - before) / count
        seconds, pid = await _restarted(up)
        restarted_memory = (pss_bytes(pid) - before) / count
    return {
        "bytes_per_waiting_order": memory,
        "bytes_per_waiting_order_after_restart": restarted_memory,
        "orders_added_per_second": count / added,
        "recovery_seconds": seconds,
    }


async def _restarted(up: Installation) -> tuple[float, int]:
    """Stop the Controller in good order, start it by hand; seconds from the start of the process until it is ready."""
    old = up.controller_pid
    started = process_start_time(old)
    os.kill(old, signal.SIGTERM)

    async def has_ended() -> bool:
        # `up` waits for its children soon, but maybe not yet
        return process_start_time(old) != started

    await wait_until(has_ended)
    begin = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *up.controller_command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with aiohttp.ClientSession() as session:

            async def is_ready() -> bool:
                with contextlib.suppress(aiohttp.ClientConnectorError):
                    async with session.get(f"{up.ready['components']['controller']['url']}/health") as response:
                        return response.status == 200
                return False

            seconds = await wait_until(is_ready) - begin
        return seconds, process.pid
    except BaseException:
        process.kill()
        raise


def replay(directory: Path) -> dict[str, Any]:
    """Fold the events of a Controller's journal, again and again from its snapshot, as a start does."""
    disk = SystemDisk(directory)
    events = 0
    seconds = 0.0
    while events < _REPLAYED_EVENTS:
        state = ControllerState()
        recovered = recover(disk, "controller", "ControllerState")
        for line in recovered.snapshot:
            state.take_over(snapshot_decoder.decode(line))
        lines = list(recovered.events)
        if not lines:
            raise AssertionError(f"{directory} holds no events")
        begin = time.perf_counter()
        for line in lines:
            state.apply(decode_envelope(line).key, event_decoder.decode(line))
        seconds += time.perf_counter() - begin
        events += len(lines)
    disk.close()
    return {"replay_events_per_second": events / seconds}


def _in_a_year() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + 365 * 86400))
