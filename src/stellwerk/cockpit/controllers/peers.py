"""Real peers: HTTP to a Controller, with credentials from a file per Controller (journal spec 2.3).

The file `<controllerId>.toml` in the credentials folder, readable by its owner only:

    user = "cockpit"
    password = "…"
    # optional: certificate, private_key, trust = ["ca.pem"]     (mutual TLS; paths relative to the folder)

Without a file the login relies on public access or a client certificate.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

from stellwerk.cockpit.controllers.client import ControllerPeer
from stellwerk.values.problems import ProblemError
from stellwerk.wire.client import Credentials, HttpPeer
from stellwerk.wire.tls import TlsOptions

#: Folder of the credential files below the Cockpit's data folder.
CREDENTIALS_FOLDER = "private/controllers"


def http_peers(credentials_folder: Path) -> Callable[[str, str | None], ControllerPeer]:
    """A `PeerFactory` for real Controllers. Files are read when a peer is made: a new secret needs no restart."""

    def peer(url: str, controller_id: str | None) -> ControllerPeer:
        credentials, tls = (None, None) if controller_id is None else _read(credentials_folder, controller_id)
        return HttpPeer(url, "controller", credentials, tls=tls)

    return peer


def _read(folder: Path, controller_id: str) -> tuple[Credentials | None, TlsOptions | None]:
    file = folder / f"{controller_id}.toml"
    if "/" in controller_id or not file.is_file():
        return None, None
    try:
        values = tomllib.loads(file.read_text("utf-8"))
        credentials = None
        if "user" in values:
            credentials = Credentials(str(values["user"]), str(values.get("password", "")))
        tls = None
        if "certificate" in values or "trust" in values:
            tls = TlsOptions(
                certificate=folder / values["certificate"] if "certificate" in values else None,
                private_key=folder / values["private_key"] if "private_key" in values else None,
                trust=tuple(folder / name for name in values.get("trust", ())),
            )
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError) as error:
        raise ProblemError(f"The credentials file {file} cannot be read: {error}") from error
    return credentials, tls
