"""The program `git`, run for one working copy.

It gets its arguments as a list and an environment of its own: no prompts, no hooks, no configuration of machine or
user, no links, no submodules, only the protocols that this Cockpit is configured for. What a repository holds is never
run. Credentials reach it by a helper that reads them from the environment; they are struck out of what it prints.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from stellwerk.cockpit.api.errors import ApiError, BadRequest
from stellwerk.cockpit.deployment.key_files import write_atomically
from stellwerk.cockpit.repositories.credentials import MASK, Credentials

#: A call of the REST API is to be answered within a minute.
TIMEOUT_SECONDS = 50.0
#: Of what git prints, so much is told.
MAXIMUM_OUTPUT = 64 << 10
#: Below the data folder: keys and `known_hosts` for ssh.
KEY_FOLDER = "private/git"

_OPTIONS = (
    "core.hooksPath=/dev/null",
    "core.symlinks=false",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.quotePath=false",
    "credential.helper=",
    "http.followRedirects=false",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "commit.gpgSign=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.detachedHead=false",
    "init.defaultBranch=main",
)
_ASKPASS = """#!/bin/sh
case "$1" in Username*) printf '%s\\n' "$STELLWERK_GIT_ACCOUNT" ;; *) printf '%s\\n' "$STELLWERK_GIT_SECRET" ;; esac
"""
_SSH = """#!/bin/sh
set -- -o BatchMode=yes -o StrictHostKeyChecking=yes -o "UserKnownHostsFile=$STELLWERK_GIT_HOSTS" "$@"
if [ -n "$STELLWERK_GIT_KEY" ]; then set -- -i "$STELLWERK_GIT_KEY" -o IdentitiesOnly=yes "$@"; fi
exec ssh -F /dev/null "$@"
"""
#: `user@host:path`, the short form for ssh.
_SCP_FORM = re.compile(r"(?:[A-Za-z0-9._~-]+@)?(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*):(?!//)[A-Za-z0-9._~/][^\s]*\Z")
_REFERENCE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/+-]*\Z")


class GitError(ApiError):
    """JOC-450: git could not be run at all, or did not end in time."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="JOC-450", kind="JocGitException")


class Result(msgspec.Struct, frozen=True, rename="camel"):
    """What git said (GitCommandResponse)."""

    command: str
    std_out: str
    std_err: str
    exit_code: int


def server_of(url: str, protocols: Sequence[str]) -> str:
    """The host of a remote, empty for a local one. Raises `BadRequest` for what is not fetched from."""
    short = _SCP_FORM.match(url)
    if short is not None:
        protocol, host = "ssh", short["host"]
    else:
        parts = urlsplit(url)
        protocol, host = parts.scheme, parts.hostname or ""
        if parts.password is not None:
            raise BadRequest("remoteUrl holds a password: store it by /inventory/repository/git/credentials/add")
        if host.startswith("-") or any(character.isspace() or character < " " for character in url):
            raise BadRequest("remoteUrl is not possible: it holds blanks, or its host begins with '-'")
    if protocol not in protocols:
        raise BadRequest(
            f"remoteUrl: protocol '{protocol}' is not allowed; allowed are {', '.join(protocols)} (git_protocols in "
            "cockpit.toml)"
        )
    return host


def check_reference(name: str, what: str) -> str:
    """A branch or tag as git may get it. Raises `BadRequest`."""
    if not _REFERENCE.match(name) or ".." in name or name.endswith((".lock", "/", ".")) or "//" in name:
        raise BadRequest(f"{what} {name!r} is no name that git takes")
    return name


class Git:
    """Runs git; blocks: call it in a thread."""

    def __init__(self, data: Path, protocols: Sequence[str], timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._data = data
        self.protocols = tuple(protocols)
        self._timeout_seconds = timeout_seconds

    def run(
        self, folder: Path, arguments: Sequence[str], *, credentials: Credentials | None = None, text: str | None = None
    ) -> Result:
        """`git <arguments>` in a folder; `text` is its input. Raises `GitError`."""
        program = shutil.which("git")
        if program is None:
            raise GitError("the program 'git' is not installed on the machine of this Cockpit")
        options = [part for option in _OPTIONS for part in ("-c", option)]
        command = [program, *options, *arguments]
        try:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=self._environment(credentials),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise GitError(f"git cannot be started: {error}") from None
        try:
            out, errors = process.communicate((text or "").encode(), timeout=self._timeout_seconds)
        except subprocess.TimeoutExpired:
            # Its helpers (ssh, https) belong to its session.
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise GitError(f"git {arguments[0]} did not end within {self._timeout_seconds:.0f} seconds") from None
        shown = " ".join(["git", *arguments])
        return Result(
            command=_struck(shown, credentials),
            std_out=_struck(_shortened(out), credentials),
            std_err=_struck(_shortened(errors), credentials),
            exit_code=process.returncode,
        )

    def origin(self, folder: Path) -> str | None:
        """The remote of a working copy."""
        result = self.run(folder, ["config", "--get", "remote.origin.url"])
        return result.std_out.strip() or None

    def is_working_copy(self, folder: Path) -> bool:
        """Whether git itself takes the folder, not one above it, for one."""
        return (folder / ".git").is_dir() and not (folder / ".git").is_symlink()

    def _environment(self, credentials: Credentials | None) -> dict[str, str]:
        private = self._data / KEY_FOLDER
        askpass, ssh = private / "askpass", private / "ssh"
        for file, content in ((askpass, _ASKPASS), (ssh, _SSH)):
            if not file.exists() or file.read_text() != content:
                write_atomically(file, content.encode(), mode=0o700)
        environment = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(private),
            "LC_ALL": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": str(askpass),
            "GIT_SSH": str(ssh),
            "GIT_SSH_VARIANT": "ssh",
            "GIT_ALLOW_PROTOCOL": ":".join(self.protocols),
            "GIT_CEILING_DIRECTORIES": str(self._data),
            "STELLWERK_GIT_HOSTS": str(private / "known_hosts"),
        }
        if credentials is not None:
            environment["STELLWERK_GIT_ACCOUNT"] = credentials.git_account
            if credentials.secret is not None:
                environment["STELLWERK_GIT_SECRET"] = credentials.secret
            if credentials.keyfile_path is not None:
                environment["STELLWERK_GIT_KEY"] = str(private / credentials.keyfile_path)
        return environment


def _shortened(data: bytes) -> str:
    text = data[:MAXIMUM_OUTPUT].decode(errors="replace")
    return text if len(data) <= MAXIMUM_OUTPUT else f"{text}\n… {len(data) - MAXIMUM_OUTPUT} bytes more"


def _struck(text: str, credentials: Credentials | None) -> str:
    secret = None if credentials is None else credentials.secret
    return text if not secret else text.replace(secret, MASK)
