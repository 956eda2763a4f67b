"""A shell script of the vendor's CLI as the specification describes it (cockpit-api 2.1): only `curl` and `jq`.

Each call sends `--user account:password` besides the token; texts are sent as they were put together, well formed or
not. What is read goes through `jq -r '<path> // empty'`: `false`, `null` and absence are failures.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

SUCCESS, USAGE, NOTICE_WARNING, WARNING, FAILURE = 0, 1, 2, 3, 4
#: The scripts' own limit for one call, in seconds.
MAXIMUM_SECONDS = 60
LOGGED_OUT = "select(.isAuthenticated == false)"


class ScriptFailure(Exception):
    """The script ends with an exit code."""

    def __init__(self, code: int, answer: str) -> None:
        super().__init__(f"exit {code}: {answer[:600]}")
        self.code = code


class Script:
    """One run of a script: `login`, calls, `logout`."""

    def __init__(self, url: str, account: str, password: str, folder: Path, *, warning: int = WARNING) -> None:
        self._url = url
        self._user = f"{account}:{password}"
        self._folder = folder
        self._token: str | None = None
        self._warning = warning
        #: The answer to the last call.
        self.answer = ""

    def login(self) -> None:
        self.answer = self._curl("/joc/api/authentication/login")
        self._token = self._read_or_fail([".accessToken"])

    def logout(self) -> None:
        self.answer = self._curl("/joc/api/authentication/logout")
        self._read_or_fail([LOGGED_OUT])

    def call(self, path: str, body: str | None, success: list[str]) -> str:
        """A call with JSON; gives what is read first of `success`. Raises `ScriptFailure`."""
        headers = ["-H", "Accept: application/json", "-H", "Content-Type: application/json"]
        self.answer = self._curl(path, *headers, *([] if body is None else ["-d", body]))
        return self._read_or_fail(success)

    def upload(self, path: str, fields: dict[str, str], file: Path, success: list[str]) -> str:
        """A call with a form."""
        parts = [argument for name, value in fields.items() for argument in ("-F", f"{name}={value}")]
        self.answer = self._curl(path, "-F", f"file=@{file}", *parts)
        return self._read_or_fail(success)

    def download(self, path: str, body: str, file: Path) -> None:
        """A call whose answer goes into a file; one that begins with `{` is printed: an error."""
        headers = ["-H", "Accept-Encoding: gzip, deflate", "-H", "Content-Type: application/json"]
        self._curl(path, *headers, "-d", body, "-o", str(file))
        content = file.read_bytes()
        if content[:1] in (b"{", b""):
            raise ScriptFailure(FAILURE, content.decode(errors="replace"))
        assert content[:2] in (b"PK", b"\x1f\x8b"), f"no zip and no gzip: {content[:80]!r}"

    def read(self, query: str) -> str:
        """What `jq` finds in the last answer, line by line; fails the script if the answer is no JSON."""
        done = subprocess.run(
            ["jq", "-r", f"{query} // empty"],
            input=self.answer,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ScriptFailure(FAILURE, f"{query}: {done.stderr.strip()} in {self.answer}")
        return done.stdout.strip()

    def _read_or_fail(self, success: list[str]) -> str:
        for query in success:
            if found := self.read(query):
                return found
        raise ScriptFailure(self._warning if self.read(".error.code") == "JOC-400" else FAILURE, self.answer)

    def _curl(self, path: str, *arguments: str) -> str:
        token = [] if self._token is None else ["-H", f"X-Access-Token: {self._token}"]
        command = ["curl", "-k", "-L", "-s", "-S", "-X", "POST", "-m", str(MAXIMUM_SECONDS), "--user", self._user]
        done = subprocess.run(
            [*command, *token, *arguments, self._url + path],
            capture_output=True,
            cwd=self._folder,
            check=False,
        )
        if done.returncode != 0:
            raise ScriptFailure(FAILURE, f"curl {path}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode()


def first_value(text: str) -> Any:
    """The first JSON value of a text; what stands behind it is not looked at."""
    value, _ = json.JSONDecoder().raw_decode(text.strip())
    return value
