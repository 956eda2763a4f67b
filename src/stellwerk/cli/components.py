"""`stellwerk cockpit|controller|agent|subagent`: a component as a process, by a service manager, `up`, or by hand."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from stellwerk.cli.lifeline import Lifeline
from stellwerk.cli.output import CommandError
from stellwerk.effects.system_disk import DirectoryLock, DuplicateStartError

if TYPE_CHECKING:
    from stellwerk.cockpit.configuration import CockpitConfiguration

T = TypeVar("T")

#: Names a file: each component writes its cProfile figures to FILE.<name of its data folder> when it ends.
PROFILE = "STELLWERK_PROFILE"


def _run(main: Any, data: Path) -> int:
    """Run a component's coroutine on uvloop where it is available, under a profiler if that is wanted."""
    profile = os.environ.pop(PROFILE, None)
    if profile is None:
        return _run_in_loop(main)
    import cProfile
    import time

    # CPU time of this thread: what others do on the machine, and waiting, does not count.
    profiler = cProfile.Profile(time.thread_time)
    try:
        return int(profiler.runcall(_run_in_loop, main))
    finally:
        profiler.dump_stats(f"{profile}.{data.name}")


def _run_in_loop(main: Any) -> int:
    try:
        import uvloop
    except ImportError:
        return int(asyncio.run(main))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return int(runner.run(main))


def run_controller(data: Path) -> int:
    from stellwerk.controller.main import run_controller as run
    from stellwerk.node.configuration import read_controller_configuration

    lifeline = Lifeline(data)
    return _run(run(_read(read_controller_configuration, data), lifeline), data)


def run_agent(data: Path) -> int:
    from stellwerk.agent.main import run_agent as run
    from stellwerk.node.configuration import read_agent_configuration

    lifeline = Lifeline(data)
    return _run(run(_read(read_agent_configuration, data), lifeline), data)


def run_witness(data: Path) -> int:
    from stellwerk.node.configuration import read_configuration
    from stellwerk.node.witness import WitnessConfiguration
    from stellwerk.node.witness import run_witness as run

    lifeline = Lifeline(data)
    configuration = _read(lambda folder: read_configuration(folder, "witness.toml", WitnessConfiguration), data)
    return _run(run(configuration, lifeline), data)


def run_subagent(data: Path) -> int:
    from stellwerk.agent.subagent_main import run_subagent as run
    from stellwerk.node.configuration import read_subagent_configuration

    lifeline = Lifeline(data)
    return _run(run(_read(read_subagent_configuration, data), lifeline), data)


def _read(read: Callable[[Path], T], data: Path) -> T:
    from stellwerk.node.configuration import ConfigurationError

    try:
        return read(data)
    except ConfigurationError as error:
        raise CommandError(str(error)) from error


def run_cockpit(data: Path, port: int | None) -> int:
    lifeline = Lifeline(data)
    data.mkdir(parents=True, exist_ok=True)
    try:
        # A member of the cluster is its data folder: two processes on one would take the role from each other.
        lock = DirectoryLock(data, "cockpit")
    except DuplicateStartError as error:
        raise CommandError(str(error), "stop the other one, or choose another --data") from error
    try:
        return _run(_cockpit(data, port, lifeline), data)
    finally:
        lock.release()


def cockpit_configuration(data: Path, **others: Any) -> CockpitConfiguration:
    """Of the Cockpit with this data folder; `others` win over its file. Raises `CommandError`."""
    from stellwerk.cockpit.configuration import CockpitConfiguration
    from stellwerk.node.configuration import read_settings

    file = data / "cockpit.toml"
    values = {**_read(lambda folder: read_settings(folder, file.name), data), "data": str(data), **others}
    try:
        return msgspec.convert(values, CockpitConfiguration, dec_hook=lambda type_, value: type_(value))
    except msgspec.ValidationError as error:
        raise CommandError(f"{file}: {error}", "docs/reference/configuration.md lists the settings") from error


async def _cockpit(data: Path, port: int | None, lifeline: Lifeline) -> int:
    from stellwerk.cockpit.application import Cockpit
    from stellwerk.cockpit.cluster.members import DuplicateMemberError
    from stellwerk.node.logs import set_up_logs

    others: dict[str, Any] = {} if port is None else {"port": port}
    configuration = cockpit_configuration(
        data, **others, first_password=os.environ.pop("STELLWERK_ADMIN_PASSWORD", None)
    )
    set_up_logs(configuration.log_level, configuration.log_json)
    cockpit = Cockpit(configuration)
    stopped = asyncio.Event()
    try:
        await cockpit.start()
    except OSError as error:
        raise CommandError(str(error), "choose another port") from error
    except DuplicateMemberError as error:
        raise CommandError(str(error), "give this member another ordering, or none") from error
    try:
        lifeline.watch(stopped.set)
        lifeline.ready(port=cockpit.port, firstPassword=cockpit.first_password is not None)
        await stopped.wait()
    finally:
        with contextlib.suppress(asyncio.CancelledError):
            await cockpit.stop()
        lifeline.close()
    return 0
