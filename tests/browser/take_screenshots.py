"""Takes the pictures of docs/screens from an installation with the samples of `stellwerk demo`, in light and dark.

    python tests/browser/take_screenshots.py http://127.0.0.1:4446 PASSWORD [FOLDER]

No test: the waits are for the pictures' sake (fades, first patches of the stream).
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from playwright.sync_api import Page, expect, sync_playwright

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screens"
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SCREENS = {
    "orders": "/orders",
    "workflows": "/workflows",
    "workflow": "/workflow/samples/nightly-load",
    "workflow-node": "/workflow/samples/file-transfer?node=0/try:0",
    "workflow-left-to-right": "/workflow/samples/nightly-load?dir=lr",
    "add-order": "/workflow/samples/quality-gate?dialog=add",
    "history": "/history/orders",
}


def main(url: str, password: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    chromium = os.environ.get("STELLWERK_CHROMIUM") or shutil.which("chromium")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        for theme in THEMES:
            context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme=theme)
            page = context.new_page()
            for name in screens(page, url, password):
                page.screenshot(path=folder / f"{name}-{theme}.png")
            context.close()
        browser.close()


def screens(page: Page, url: str, password: str) -> Iterator[str]:
    """Walks through the screens, and yields each one's name when it is ready to be taken."""
    page.goto(f"{url}/ui/")
    expect(page.get_by_label("Account")).to_be_visible()
    yield "login"
    page.get_by_label("Account").fill("root")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("Latest runs")).to_be_visible()
    page.wait_for_timeout(1500)
    yield "overview"
    for name, path in SCREENS.items():
        page.goto(f"{url}/ui{path}")
        page.wait_for_timeout(2000)
        yield name
    page.goto(f"{url}/ui/orders?q=state:failed")
    page.get_by_role("row").locator("a[href*='/order/']").first.click()
    page.wait_for_timeout(2500)
    yield "order"
    page.get_by_role("tab", name="Log").click()
    page.wait_for_timeout(1500)
    yield "log"
    page.get_by_role("tab", name="Story").click()
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("dialog").get_by_role("button", name="Show as command").click()
    page.wait_for_timeout(600)
    yield "resume"


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]) if len(sys.argv) > 3 else FOLDER)
