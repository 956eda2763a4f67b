"""Clusters (ui.md S15): a real pair of Controllers is seen, switched over, lost, stopped; one stands alone."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from tests.browser.conftest import persons_at, running_installation
from tests.browser.world import Installation, Person

CARD = "Controller controller"
NODES = {"Primary": "controller", "Backup": "controller-2"}


@pytest.fixture(scope="module")
def pair(axe: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Two Controllers with their witnesses, an Agent, a Cockpit. Which one is active may differ from test to test."""
    arguments = ("--agents", "agent-1", "--cluster", "--database", "sqlite")
    with running_installation(tmp_path_factory.mktemp("pair"), *arguments) as made:
        yield made


@pytest.fixture
def operators(browser: Browser, pair: Installation, axe: str) -> Iterator[Callable[..., Person]]:
    """`someone` at the pair."""
    with persons_at(browser, pair, axe) as make:
        yield make


@pytest.fixture
def operator(operators: Callable[..., Person]) -> Person:
    made = operators()
    made.log_in()
    made.open("/clusters")
    expect_coupled(made.page)
    return made


def card(page: Page) -> Locator:
    return page.locator("section").filter(has=page.get_by_role("heading", name=CARD, level=2))


def node(page: Page, name: str) -> Locator:
    return card(page).get_by_role("region", name=f"Node {name}")


def expect_coupled(page: Page) -> None:
    expect(card(page).get_by_role("heading", level=2)).to_contain_text(re.compile("coupled since"))
    expect(card(page)).to_contain_text("takes over at once")


def active_of(page: Page) -> tuple[str, str]:
    """Names of the active and the passive node."""
    names = list(NODES)
    expect(card(page).get_by_text("★")).to_have_count(1)
    first_is_active = "★" in node(page, names[0]).inner_text()
    return (names[0], names[1]) if first_is_active else (names[1], names[0])


def component(pair: Installation, page: Page, name: str) -> dict[str, Any]:
    """The component that is this node: known by its address, for either may be `Primary`."""
    shown = node(page, name).inner_text()
    [found] = [pair.components[one] for one in NODES.values() if pair.components[one]["url"] in shown]
    return dict(found)


def start(pair: Installation, found: dict[str, Any]) -> None:
    process = subprocess.Popen(
        found["command"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    [name] = [name for name in NODES.values() if pair.components[name]["url"] == found["url"]]
    pair.components[name]["pid"] = process.pid
    PROCESSES.append(process)


#: Started by hand: `up` does not end them.
PROCESSES: list[subprocess.Popen[bytes]] = []


@pytest.fixture(scope="module", autouse=True)
def ended(pair: Installation) -> Iterator[None]:
    yield
    for process in PROCESSES:
        process.terminate()
    for process in PROCESSES:
        process.wait(60)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_a_coupled_pair_is_shown_and_accessible(operators: Callable[..., Person], theme: str, width: int) -> None:
    person = operators(color_scheme=theme, viewport={"width": width, "height": 900})
    person.log_in()
    page = person.page
    person.open("/clusters")
    expect_coupled(page)
    active, passive = active_of(page)
    expect(node(page, active)).to_contain_text("running")
    expect(node(page, passive)).to_contain_text("coupled")
    expect(node(page, active)).to_contain_text(re.compile(r"Journal\s*[\d.]+ [KM]?i?B \(.* free\)"))
    expect(card(page)).to_contain_text("nothing behind")
    expect(card(page)).to_contain_text("3 of 3 are there, 2 must agree")
    expect(card(page)).to_contain_text(f"If {active} ends now, {passive} takes over at once")
    person.check_accessibility()
    overflow = page.evaluate(
        "document.querySelector('#page').scrollWidth - document.querySelector('#page').clientWidth"
    )
    assert overflow <= 0, "the page scrolls sideways"


def test_a_person_switches_over_and_sees_how_it_goes(operator: Person) -> None:
    page = operator.page
    active, passive = active_of(page)
    card(page).get_by_role("button", name="Switch over…").click()
    dialog = page.get_by_role("dialog", name="Switch over controller")
    expect(dialog).to_contain_text(f"{passive} becomes the active node")
    dialog.get_by_role("button", name="Show as command").click()
    expect(dialog).to_contain_text("stellwerk cluster switch-over --yes")
    operator.check_accessibility()
    dialog.get_by_label("Comment").fill("patching")
    dialog.get_by_role("button", name="Switch over", exact=True).click()
    progress = dialog.get_by_role("status", name="Progress")
    expect(progress).to_contain_text(f"{passive} is active")
    expect(progress.get_by_text("not yet")).to_have_count(0)
    dialog.locator("footer").get_by_role("button", name="Close").click()
    expect_coupled(page)
    assert active_of(page) == (passive, active)
    expect(card(page)).to_contain_text(f"switch-over to {passive}")
    expect(card(page)).to_contain_text("coupled again after")


def test_a_lost_node_is_told_in_the_overview_and_comes_back(operator: Person, pair: Installation) -> None:
    page = operator.page
    active, passive = active_of(page)
    lost = component(pair, page, active)
    os.kill(lost["pid"], signal.SIGKILL)
    expect(node(page, active)).to_contain_text("does not answer")
    heading = card(page).get_by_role("heading", level=2)
    expect(heading).to_contain_text("failed over, not coupled yet")
    expect(card(page)).to_contain_text(f"fail-over: {active} was lost, {passive} took over")
    expect(card(page)).to_contain_text(f"If {passive} is lost now, nobody takes over: {active} does not answer.")
    expect(card(page).get_by_role("button", name="Switch over…")).to_have_attribute("aria-disabled", "true")
    operator.check_accessibility()

    operator.open("/")
    needs = page.get_by_role("list", name="Needs a person").get_by_role("listitem")
    alone = needs.filter(has_text=f"Controller pair controller not coupled · running on {passive} alone")
    expect(alone).to_be_visible()
    alone.get_by_role("link", name="Open").click()
    expect(page).to_have_url(re.compile("/clusters/controller/controller$"))
    expect(node(page, active)).to_contain_text("does not answer")

    start(pair, lost)
    expect_coupled(page)
    assert active_of(page) == (passive, active)
    expect(node(page, active)).not_to_contain_text("does not answer")


def test_a_person_stops_the_passive_node_which_takes_no_typing(operator: Person, pair: Installation) -> None:
    page = operator.page
    active, passive = active_of(page)
    stopped = component(pair, page, passive)
    node(page, active).get_by_role("button", name=f"Actions on {active}").click()
    page.get_by_role("menuitem", name="Stop").click()
    dialog = page.get_by_role("dialog", name=f"Stop {active}")
    dialog.get_by_label("hand over to nobody").check()
    confirm = dialog.get_by_role("button", name=f"Stop {active}")
    expect(confirm).to_be_disabled()
    dialog.get_by_label(f"Type {active} to confirm").fill(active)
    expect(confirm).to_be_enabled()
    dialog.locator("footer").get_by_role("button", name="Close").click()

    node(page, passive).get_by_role("button", name=f"Actions on {passive}").click()
    page.get_by_role("menuitem", name="Stop").click()
    dialog = page.get_by_role("dialog", name=f"Stop {passive}")
    expect(dialog).to_contain_text(f"{active} goes on alone")
    dialog.get_by_role("button", name=f"Stop {passive}").click()
    expect(card(page)).to_contain_text(f"passive node {passive} lost, {active} went on alone")
    expect(node(page, passive)).to_contain_text("does not answer")
    start(pair, stopped)
    expect_coupled(page)


def test_a_node_that_hangs_does_not_hold_up_the_page(operator: Person, pair: Installation) -> None:
    page = operator.page
    _, passive = active_of(page)
    hung = component(pair, page, passive)
    with contextlib.ExitStack() as later:
        os.kill(hung["pid"], signal.SIGSTOP)
        later.callback(os.kill, hung["pid"], signal.SIGCONT)
        expect(node(page, passive)).to_contain_text("no answer within 3 s")
        page.reload()
        expect(node(page, passive)).to_contain_text("does not answer")
        expect(page.get_by_role("banner").get_by_text("live", exact=True)).to_be_visible()
    expect_coupled(page)


def test_while_the_cockpit_is_away_the_page_says_how_old_it_is(operator: Person, pair: Installation) -> None:
    page = operator.page
    active, _ = active_of(page)
    cockpit = pair.components["cockpit"]
    os.kill(cockpit["pid"], signal.SIGKILL)
    expect(page.get_by_text("This Cockpit does not answer.")).to_be_visible()
    expect(node(page, active)).to_be_visible()
    process = subprocess.Popen(
        cockpit["command"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    cockpit["pid"] = process.pid
    PROCESSES.append(process)
    expect(page.get_by_role("banner").get_by_text("live", exact=True)).to_be_visible()
    expect(page.get_by_text("This Cockpit does not answer.")).to_have_count(0)
    expect_coupled(page)


def test_a_controller_that_stands_alone_says_how_to_have_a_pair(person: Person) -> None:
    page = person.page
    page.keyboard.press("g")
    page.keyboard.press("c")
    expect(page.get_by_role("heading", name="Clusters", level=1)).to_be_visible()
    expect(page.get_by_text("Nothing is clustered")).to_be_visible()
    alone = page.get_by_role("region", name="Node Controller controller")
    expect(alone).to_contain_text("Journal")
    expect(page.get_by_text("Give it a second node and a watch: docs/how-to/pairs.md")).to_be_visible()
    alone.get_by_role("button", name="Actions on Controller controller").click()
    page.get_by_role("menuitem", name="Stop").click()
    dialog = page.get_by_role("dialog", name="Stop controller")
    expect(dialog).to_contain_text("no order starts or moves")
    expect(dialog.get_by_role("button", name="Stop controller")).to_be_disabled()
