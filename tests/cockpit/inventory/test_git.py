"""What git gets and what it must not (cockpit-services 10.6)."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from stellwerk.cockpit.api.errors import BadRequest, ObjectNotFound
from stellwerk.cockpit.archives import Entry
from stellwerk.cockpit.repositories.credentials import Credentials
from stellwerk.cockpit.repositories.git import Git, GitError, check_reference, server_of
from stellwerk.cockpit.repositories.working_copies import Category, WorkingCopies

HTTPS = ("https", "ssh")


@pytest.mark.parametrize(
    "url, server",
    [
        ("https://git.example.com/acme/flows.git", "git.example.com"),
        ("https://user@Git.example.com:8443/flows", "git.example.com"),
        ("ssh://git@git.example.com/flows.git", "git.example.com"),
        ("git@git.example.com:acme/flows.git", "git.example.com"),
    ],
)
def test_the_server_of_a_remote_is_told(url: str, server: str) -> None:
    assert server_of(url, HTTPS) == server


@pytest.mark.parametrize(
    "url, said",
    [
        ("file:///srv/git/flows.git", "protocol 'file'"),
        ("/srv/git/flows.git", "protocol ''"),
        ("ext::sh%20-c%20touch", "protocol 'ext'"),
        ("http://git.example.com/x", "protocol 'http'"),
        ("https://user:secret@git.example.com/x", "holds a password"),
        ("ssh://-oProxyCommand=x/x", "begins with '-'"),
        ("--upload-pack=x", "protocol ''"),
        ("https://git.example.com/a b", "blanks"),
        ("", "protocol ''"),
    ],
)
def test_other_remotes_are_refused(url: str, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        server_of(url, HTTPS)


@pytest.mark.parametrize("name", ["--force", "-b", "a..b", "a b", "", "x.lock", "a/", "a//b", "a~1", "a:b", "@{-1}"])
def test_what_is_no_branch_is_not_given_to_git(name: str) -> None:
    with pytest.raises(BadRequest, match="branch"):
        check_reference(name, "branch")
    assert check_reference("feature/x-1.2", "branch") == "feature/x-1.2"


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def test_a_repository_cannot_make_git_run_anything_or_lead_out_of_its_folder(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    _git(source, "init", "-q")
    (source / "link").symlink_to("/etc/passwd")
    (source / "W.workflow.json").symlink_to("/etc/passwd")
    (source / ".gitattributes").write_text("* filter=evil\n")
    _git(source, "add", "--all")
    _git(source, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "first")
    data = tmp_path / "data"
    git, copies = Git(data, ("file",)), WorkingCopies(data)
    target = copies.prepare(Category.LOCAL, "/acme")
    result = git.run(target.parent, ["clone", "--", source.as_uri(), target.name])
    assert result.exit_code == 0, result.std_err
    assert not (target / "link").is_symlink() and (target / "link").read_text() == "/etc/passwd"
    # Also what somebody with a shell has put there is not run.
    hook = target / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    (target / "x").write_text("x")
    git.run(target, ["add", "--all"])
    done = git.run(target, ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-F", "-"], text="second")
    assert done.exit_code == 0 and not (tmp_path / "ran").exists()


def test_no_link_leads_out_of_the_working_copies(tmp_path: Path) -> None:
    copies, outside = WorkingCopies(tmp_path / "data"), tmp_path / "outside"
    outside.mkdir()
    (outside / "W.workflow.json").write_text("{}")
    copies.write(Category.LOCAL, [Entry("acme/W.workflow.json", b"{}")])
    top = tmp_path / "data" / "repositories" / "local" / "acme"
    (top / "sub").symlink_to(outside)
    (top / "L.lock.json").symlink_to(outside / "W.workflow.json")
    assert [item.name for item in copies.list(Category.LOCAL, "/acme", recursive=True)] == ["acme/W.workflow.json"]
    for name in ("acme/sub/W.workflow.json", "acme/L.lock.json"):
        with pytest.raises((BadRequest, ObjectNotFound)):
            copies.read(Category.LOCAL, name)
        with pytest.raises(BadRequest, match="link"):
            copies.write(Category.LOCAL, [Entry(name, b"changed")])
    for name in (
        "../x/W.workflow.json",
        "acme/../W.workflow.json",
        "W.workflow.json",
        "acme/.git/W.lock.json",
        "a/b.sh",
    ):
        with pytest.raises(BadRequest):
            copies.write(Category.LOCAL, [Entry(name, b"x")])
    assert (outside / "W.workflow.json").read_text() == "{}"
    shutil.rmtree(top)
    top.symlink_to(outside)
    with pytest.raises(BadRequest, match="link"):
        copies.remove("/acme")
    with pytest.raises(BadRequest, match="link"):
        copies.existing(Category.LOCAL, "/acme")


def test_secrets_reach_git_by_its_environment_and_are_struck_out(tmp_path: Path) -> None:
    git = Git(tmp_path, HTTPS)
    item = Credentials(
        git_account="me", git_server="git.example.com", username="Me", email="me@b", personal_access_token="s3cr3t"
    )
    # An alias stands for a git that prints what it has been given.
    alias = (
        'alias.tell=!"$GIT_ASKPASS" "Username for"; "$GIT_ASKPASS" Password; env | grep -c =s3cr3t$; echo s3cr3t >&2'
    )
    result = git.run(tmp_path, ["-c", alias, "tell"], credentials=item)
    assert result.std_out.split() == ["me", "********", "1"] and result.std_err == "********\n"
    assert "s3cr3t" not in result.command
    assert git.run(tmp_path, ["-c", alias, "tell"]).std_out.split()[-1] == "0"


def test_a_git_that_hangs_is_ended_with_its_helpers(tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    with pytest.raises(GitError, match="did not end within"):
        Git(tmp_path, HTTPS, timeout_seconds=0.5).run(
            tmp_path, ["-c", f"alias.wait=!sh -c 'echo $$ > {marker}; exec sleep 1000'", "wait"]
        )
    pid = int(marker.read_text())
    for _ in range(1000):
        if not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split(")")[1][:3]:
            return
        time.sleep(0.01)
    os.kill(pid, 9)
    pytest.fail("the helper of git lives on")
