"""One installation for all commands, and the report by number at the end."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contract.commands import COMMANDS
from tests.contract.world import World
from up_process import UpProcess

_FOLDER = Path(__file__).parent
_results: dict[str, tuple[str, str]] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _FOLDER in item.path.parents:
            item.add_marker(pytest.mark.contract)
            # One installation: all in one worker.
            item.add_marker(pytest.mark.xdist_group("contract"))


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    missing = [program for program in ("curl", "jq") if shutil.which(program) is None]
    if missing:
        pytest.skip(f"the scripts of the shell CLI need {' and '.join(missing)}, which this machine does not have")
    folder = tmp_path_factory.mktemp("contract")
    with UpProcess(folder / "installation", agents="agent-1,agent-2") as up:
        up.start("--supervise")
        yield World(up, folder)


def pytest_runtest_logreport(report: Any) -> None:
    if "test_the_command_ends_as_expected" not in report.nodeid:
        return
    name = report.nodeid.partition("[")[2].rstrip("]")
    if report.skipped:
        _results[name] = ("not yet", str(report.longrepr[2]).removeprefix("Skipped: "))
    elif report.failed:
        _results[name] = ("FAILED", str(report.longrepr).splitlines()[-1][:200])
    elif report.when == "call":
        sends = COMMANDS[int(name.split("-")[0])].calls
        _results[name] = ("passed", "") if sends else ("local", "the script makes no call")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not _results:
        return
    terminalreporter.section("commands of the shell CLI")
    for name, (result, reason) in sorted(_results.items(), key=lambda item: int(item[0].split("-")[0])):
        terminalreporter.write_line(f"{name:62} {result:8} {reason}")
    kinds = ("passed", "local", "not yet", "FAILED")
    counts = {kind: sum(result == kind for result, _ in _results.values()) for kind in kinds}
    terminalreporter.write_line(", ".join(f"{count} {kind}" for kind, count in counts.items()))
