"""The session of commands on the Cockpit's own machine: its token in a file that only the owner can read.

Whoever can read the Cockpit's data folder owns the Cockpit anyway; so `stellwerk` commands on this machine, and `up`
itself, need no password (the nodes keep such a token, too: journal spec 2.2). The token is new at each start.
"""

from __future__ import annotations

import os
from pathlib import Path

from stellwerk.cockpit.auth.permissions import ROOT, PermissionRow, Permissions
from stellwerk.cockpit.auth.sessions import Identity, Sessions

ACCOUNT = "root"
TOKEN_FILE = "session-token"  # noqa: S105 (a file name)


class LocalSession:
    """A `Service`: opens the session and writes the file; removes it at the end."""

    def __init__(self, sessions: Sessions, work_directory: Path) -> None:
        self._sessions = sessions
        self._file = work_directory / TOKEN_FILE

    async def start(self) -> None:
        everything = Permissions([PermissionRow(permission=ROOT)])
        identity = Identity(account=ACCOUNT, identity_service="local", roles=("all",), permissions=everything)
        token = self._sessions.open_local(identity)
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file.unlink(missing_ok=True)
        descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(token)

    async def stop(self) -> None:
        self._file.unlink(missing_ok=True)
