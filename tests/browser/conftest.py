"""The browser tests' world: Chromium of the system, the UI built from these sources, an installation by `stellwerk up`.

Each test gets a `person`: a fresh browser window that is logged in. It fails on errors in the browser's console and on
any request to another host, so that every test also checks those.

`STELLWERK_CHROMIUM` names the browser (default: found on the PATH). `STELLWERK_BROWSER_URL` together with
`STELLWERK_ADMIN_PASSWORD` uses an installation that runs already.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright
from tests.browser.world import Installation, Person

REPOSITORY = Path(__file__).resolve().parents[2]
PASSWORD = "a password for the browser tests"
START_SECONDS = 90
STOP_SECONDS = 30
#: Generous: the tests assert what comes, never how fast.
PATIENCE_MILLISECONDS = 30_000

expect.set_options(timeout=PATIENCE_MILLISECONDS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(item.fspath).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium, or skip with what to do."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("STELLWERK_CHROMIUM") or next(
        (found for name in names if (found := shutil.which(name))), None
    )
    if path is None:
        pytest.skip(
            "no Chromium: install it from the system's packages (apt-get install chromium) or set STELLWERK_CHROMIUM"
        )
    return path


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core; also makes sure that the UI that is tested is built from these sources."""
    specification = importlib.util.spec_from_file_location("stellwerk_ui_build", REPOSITORY / "ui" / "build.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    module.build()
    module.install()
    return (REPOSITORY / "ui" / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest.fixture(scope="session")
def installation(axe: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A real installation of Cockpit, Controller and two Agents."""
    running = os.environ.get("STELLWERK_BROWSER_URL")
    if running:
        yield Installation(running.rstrip("/"), "root", os.environ["STELLWERK_ADMIN_PASSWORD"])
        return
    with running_installation(tmp_path_factory.mktemp("installation"), "--agents", "agent-1,agent-2") as made:
        yield made


@contextlib.contextmanager
def running_installation(data: Path, *arguments: str) -> Iterator[Installation]:
    """What `stellwerk up` with these arguments makes in the folder."""
    log = data / "up.log"
    command = [sys.executable, "-m", "stellwerk.cli", "up", "--data", str(data / "data"), "--port", "0"]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [*command, *arguments, "--json"],
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "STELLWERK_ADMIN_PASSWORD": PASSWORD},
        )
    try:
        ready = _first_line(process, log)
        yield Installation(ready["url"], ready["account"], ready["password"], ready["components"])
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        finally:
            process.kill()


def _first_line(process: subprocess.Popen[bytes], log: Path) -> dict[str, Any]:
    assert process.stdout is not None
    deadline = time.monotonic() + START_SECONDS
    line = b""
    while not line.endswith(b"\n"):
        readable, _, _ = select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))
        part = os.read(process.stdout.fileno(), 65_536) if readable else b""
        if not part:
            state = "ended" if readable else f"is not ready after {START_SECONDS} s"
            raise AssertionError(f"`stellwerk up` {state}:\n{log.read_text(errors='replace')}")
        line += part
    return dict(json.loads(line.splitlines()[0]))


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    # Chromium's sandbox does not work for root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def someone(browser: Browser, installation: Installation, axe: str) -> Iterator[Callable[..., Person]]:
    """Makes persons, each in a window of their own; checks at the end that nothing went wrong in any."""
    with persons_at(browser, installation, axe) as make:
        yield make


@contextlib.contextmanager
def persons_at(browser: Browser, installation: Installation, axe: str) -> Iterator[Callable[..., Person]]:
    """See `someone`."""
    contexts: list[BrowserContext] = []
    persons: list[Person] = []

    def make(**options: Any) -> Person:
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        contexts.append(context)
        person = Person(context.new_page(), installation, axe)
        persons.append(person)
        return person

    yield make
    for context in contexts:
        context.close()
    problems = [problem for person in persons for problem in person.problems]
    assert not problems, "\n".join(problems)


@pytest.fixture
def person(someone: Callable[..., Person]) -> Person:
    """Somebody who is logged in and looks at the Overview."""
    made = someone()
    made.log_in()
    return made
