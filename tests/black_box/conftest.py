"""Fixtures of the black-box tests: installations that `stellwerk up` has started, and the option `--long`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from up_process import UpProcess

#: Modules whose tests share one installation: on one worker.
_SHARED = ("test_autonomy", "test_clusters_seen")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="the long form of the kill test")
    parser.addoption("--seed", type=int, default=None, help="seed of the kill test")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is marked `long_only` runs with `--long` (`make black-box`): others show the same more briefly."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.black_box)
        if item.path.stem in _SHARED:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
    if not config.getoption("--long"):
        left_out = [item for item in items if item.get_closest_marker("long_only")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "installation"


@pytest.fixture
def installation(data: Path) -> Iterator[UpProcess]:
    """Two Agents, running."""
    with UpProcess(data) as up:
        yield up.start()
