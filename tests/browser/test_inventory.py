"""Inventory and Deployments (ui.md S13, S14): written, checked, deployed, taken back; two people at one object."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect
from tests.browser import samples
from tests.browser.world import Installation, Person

WORKFLOW: dict[str, Any] = {
    "title": "Written in the browser",
    "instructions": [samples.step("load"), samples.step("check")],
    "jobs": {"load": samples.job("echo loaded"), "check": samples.job("echo checked", "agent-2")},
}


def text_of(page: Page) -> Locator:
    return page.get_by_role("textbox", name=re.compile("^JSON of"))


def write(page: Page, configuration: Any) -> None:
    """Replace the whole text, as one who pastes."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("text => navigator.clipboard.writeText(text)", json.dumps(configuration, indent=2))
    text_of(page).focus()
    page.keyboard.press("Control+a")
    page.keyboard.press("Control+v")


def problems(page: Page) -> Locator:
    return page.get_by_role("region", name="Problems")


def toast(page: Page, text: str) -> None:
    expect(page.get_by_role("status").filter(has_text=text).first).to_be_visible()


def store(installation: Installation, path: str, configuration: Any, object_type: str = "WORKFLOW") -> None:
    request = {"path": path, "objectType": object_type, "configuration": configuration}
    installation.post("inventory/store", request)


def stored(installation: Installation, path: str) -> Any:
    request = {"path": path, "objectType": "WORKFLOW"}
    return installation.post("inventory/read/configuration", request)["configuration"]


def test_a_workflow_is_written_checked_deployed_and_taken_back(person: Person, installation: Installation) -> None:
    page = person.page
    person.open("/inventory/")
    page.get_by_role("button", name="New…").click()
    dialog = page.get_by_role("dialog", name="New object in /")
    dialog.get_by_label("Name").fill("written here")
    expect(dialog.get_by_text("A name has no spaces")).to_be_visible()
    expect(dialog.get_by_role("button", name="Create workflow")).to_be_disabled()
    dialog.get_by_label("Name").fill("WRITTEN")
    person.check_accessibility()
    dialog.get_by_role("button", name="Create workflow").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("WRITTEN")
    expect(page.get_by_role("treeitem", name="WRITTEN, workflow, draft")).to_be_visible()

    text_of(page).focus()
    for key in ("Control+Home", "End", "Enter", "Control+Space"):
        page.keyboard.press(key)
    expect(page.get_by_role("option", name=re.compile("^jobResourceNames"))).to_be_visible()

    wrong = {**WORKFLOW, "jobs": {**WORKFLOW["jobs"], "check": samples.job("true", "nobody")}}
    write(page, wrong)
    expect(problems(page)).to_contain_text("$.jobs.check.agentName")
    expect(problems(page)).to_contain_text("register the Agent or choose one of: agent-1, agent-2")
    expect(page.locator("[data-json-editor] .squiggly-error")).to_have_count(1)
    person.check_accessibility()
    write(page, WORKFLOW)
    expect(problems(page)).to_have_text("Nothing is wrong")
    drawing = page.get_by_role("treeitem", name=re.compile("job check"))
    page.get_by_text("Steps as a list").click()
    drawing.click()
    expect(page).to_have_url(re.compile("node=1"))

    deploy = page.get_by_role("button", name="Deploy…")
    expect(deploy).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("Control+s")
    toast(page, "Saved /WRITTEN as a draft")
    deploy.click()
    dialog = page.get_by_role("dialog", name="Deploy WRITTEN")
    expect(dialog.get_by_text("It is new at Controller controller.")).to_be_visible()
    expect(dialog.get_by_text("At controller: 1 new.")).to_be_visible()
    dialog.get_by_label("Comment").fill("CHG-1")
    page.keyboard.press("Control+Enter")
    toast(page, "Deployed WRITTEN")
    expect(page.get_by_role("treeitem", name="WRITTEN, workflow, deployed")).to_be_visible()

    write(page, {**WORKFLOW, "title": "Second version"})
    page.keyboard.press("Control+s")
    page.get_by_role("tab", name="Differences").click()
    changed = page.get_by_role("row").filter(has_text="Second version")
    expect(changed).to_contain_text("Written in the browser")
    deploy.click()
    page.get_by_role("dialog").get_by_role("button", name="Deploy 1 object").click()
    toast(page, "Deployed WRITTEN")

    person.open("/deployments/?q=WRITTEN")
    expect(page.get_by_role("row")).to_have_count(3)
    page.get_by_role("row").nth(1).get_by_role("link").click()
    expect(page.get_by_role("row").filter(has_text="Second version")).to_contain_text("Written in the browser")
    person.check_accessibility()
    page.get_by_role("button", name="Back to the versions before…").click()
    page.get_by_role("dialog").get_by_role("button", name="Deploy 1 former version").click()
    toast(page, "Deployed 1 object")
    shown = installation.post("workflow", {"controllerId": "controller", "workflowId": {"path": "/WRITTEN"}})
    assert shown["workflow"]["title"] == "Written in the browser"
    assert stored(installation, "/WRITTEN")["title"] == "Second version"

    person.open("/inventory/WRITTEN?type=WORKFLOW&tab=versions")
    expect(page.get_by_role("row").filter(has_text="controller (there now)")).to_have_count(1)
    expect(page.get_by_role("row")).to_have_count(4)
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Revoke…").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke workflow").click()
    toast(page, "Revoked /WRITTEN")
    expect(page.get_by_role("treeitem", name="WRITTEN, workflow, draft")).to_be_visible()


def test_two_people_at_one_object_lose_nothing(person: Person, installation: Installation) -> None:
    path = "/together/SHARED"
    store(installation, path, WORKFLOW)
    page = person.page
    person.open(f"/inventory{path}?type=WORKFLOW")
    expect(problems(page)).to_have_text("Nothing is wrong")
    first = stored(installation, path)
    mine = {**first, "title": "mine"}
    write(page, mine)
    theirs = {**first, "jobs": {**first["jobs"], "check": {**first["jobs"]["check"], "timeout": 60}}}
    store(installation, path, theirs)
    page.get_by_role("button", name="Save draft").click()
    notice = page.get_by_role("alert").filter(has_text="Somebody else has stored SHARED")
    expect(notice).to_be_visible()
    assert stored(installation, path)["title"] == "Written in the browser"

    page.reload()
    page.get_by_role("button", name="Go on with it").click()
    notice.get_by_role("button", name="Compare and decide…").click()
    dialog = page.get_by_role("dialog", name="Two changes of one text")
    expect(dialog.get_by_role("region", name="What they have changed")).to_contain_text("timeout")
    person.check_accessibility()
    dialog.get_by_role("button", name="Put both together").click()
    page.get_by_role("link", name="Inventory").first.click()
    page.get_by_role("dialog", name="Your changes are not saved").get_by_role("button", name="Save and leave").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Inventory")
    both = stored(installation, path)
    assert both["title"] == "mine" and both["jobs"]["check"]["timeout"] == 60


def test_the_tree_is_walked_by_keys_and_objects_are_renamed_removed_and_restored(
    person: Person, installation: Installation
) -> None:
    store(installation, "/walk/deep/GATE", {}, "LOCK")
    store(installation, "/walk/USER", {"instructions": [], "jobs": {}})
    held = {"TYPE": "Lock", "demands": [{"lockName": "GATE"}], "lockedWorkflow": samples.block()}
    store(installation, "/walk/USER", {"instructions": [held]})
    page = person.page
    person.open("/inventory/walk")
    folder = page.get_by_role("treeitem", name=re.compile("^walk, folder, 2 objects, 2 drafts"))
    expect(folder).to_have_attribute("aria-expanded", "true")
    folder.focus()
    for key in ("ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    lock = page.get_by_role("treeitem", name="GATE, lock, draft")
    expect(lock).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(lock).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("GATE")
    page.get_by_role("tab", name="Uses 1").click()
    expect(page.get_by_role("region", name="Used by")).to_contain_text("/walk/USER")

    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Rename or move…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("New path").fill("/walk/BARRIER")
    expect(dialog.get_by_text("1 object that refers to it becomes a draft")).to_be_visible()
    dialog.get_by_role("button", name="Rename lock").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("BARRIER")
    assert stored(installation, "/walk/USER")["instructions"][0]["demands"] == [{"lockName": "BARRIER"}]

    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Remove…").click()
    expect(page.get_by_role("dialog")).to_contain_text("1 object refers to it and will not be valid any more")
    page.get_by_role("dialog").get_by_role("button", name="Remove lock").click()
    expect(page.get_by_role("treeitem", name="USER, workflow, not valid")).to_be_visible()
    page.get_by_role("link", name="Trash").click()
    page.get_by_role("button", name="Restore /walk/BARRIER").click()
    page.get_by_role("dialog").get_by_role("button", name="Restore as draft").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("BARRIER")
    expect(page.get_by_role("treeitem", name="USER, workflow, draft")).to_be_visible()
    page.get_by_label("Find by name").fill("*arrie")
    expect(page.get_by_text("1 object found")).to_be_visible()


def test_a_folder_goes_out_as_an_archive_and_comes_in_again(
    person: Person, installation: Installation, tmp_path: Path
) -> None:
    store(installation, "/out/PACKED", WORKFLOW)
    page = person.page
    person.open("/inventory/out?dialog=export")
    with page.expect_download() as download:
        page.get_by_role("dialog").get_by_role("button", name="Export").click()
    archive = tmp_path / download.value.suggested_filename
    download.value.save_as(archive)
    assert archive.name == "out.zip"

    person.open("/inventory/?dialog=import")
    dialog = page.get_by_role("dialog", name="Import to /")
    dialog.locator("input[type=file]").set_input_files(archive)
    expect(dialog.get_by_text("/out/PACKED")).to_be_visible()
    dialog.get_by_label("stay; all names of the archive get a suffix").check()
    dialog.get_by_role("textbox", name="Suffix").fill("again")
    person.check_accessibility()
    dialog.get_by_role("button", name="Import").click()
    toast(page, "Imported out.zip to / as drafts")
    assert stored(installation, "/out/PACKED-again") == stored(installation, "/out/PACKED")


def test_the_inventory_can_be_used_on_a_narrow_screen(
    someone: Callable[..., Person], installation: Installation
) -> None:
    store(installation, "/narrow/SMALL", WORKFLOW)
    person = someone(color_scheme="dark", viewport={"width": 390, "height": 844})
    person.log_in()
    page = person.page
    screens = {
        "/inventory/narrow": "narrow",
        "/inventory/narrow/SMALL?type=WORKFLOW": "SMALL",
        "/deployments/": "Deployments",
    }
    for path, title in screens.items():
        person.open(path)
        expect(page.get_by_role("heading", level=1)).to_have_text(title)
        expect(page.get_by_text("Loading…")).to_have_count(0)
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, f"{path} is {overflow} px wider than the screen"
        person.check_accessibility()
