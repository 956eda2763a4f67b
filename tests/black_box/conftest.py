"""Fixtures of the black-box tests: installations that `stellwerk up` has started, and the option `--long`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from up_process import UpProcess


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="the long form of the kill test")
    parser.addoption("--seed", type=int, default=None, help="seed of the kill test")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.black_box)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "installation"


@pytest.fixture
def installation(data: Path) -> Iterator[UpProcess]:
    """Two Agents, running."""
    with UpProcess(data) as up:
        yield up.start()
