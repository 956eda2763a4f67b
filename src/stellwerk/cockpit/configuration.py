"""What a person configures of the Cockpit; values only, read by the command line from TOML and given to `Cockpit`.

Durations carry their unit in the name. Nothing here is secret except `first_password`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec


class LoginDelays(msgspec.Struct, frozen=True):
    """Slow-down of wrong passwords, counted per account *and* address (cockpit-api 1.2; issue: settled points).

    The first `free_attempts` failures are answered at once, so that one mistyped password stops nobody.
    """

    free_attempts: int = 1
    short_seconds: float = 2.0
    short_attempts: int = 2
    long_seconds: float = 30.0


class ClusterConfiguration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """This Cockpit as a member of its cluster (cluster.md 4.1, 4.2). With SQLite there are no other members.

    All members of a cluster need the same `lease_seconds`. Raises `ValueError` for values that cannot work.
    """

    #: 0 to 99, unique among the members; None: the first that is free.
    ordering: int | None = None
    #: None: the host's name.
    title: str | None = None
    as_api_server: bool = False
    interval_seconds: float = 2.0
    lease_seconds: float = 6.0

    def __post_init__(self) -> None:
        if self.ordering is not None and not 0 <= self.ordering <= 99:
            raise ValueError("ordering must be a number from 0 to 99")
        if self.title is not None and len(self.title) > 30:
            raise ValueError("title may have 30 characters")
        if not 0 < self.interval_seconds * 2.5 <= self.lease_seconds:
            raise ValueError("lease_seconds must be at least 2.5 times interval_seconds: one heart beat may be late")


class CockpitConfiguration(msgspec.Struct, frozen=True):
    """All settings of one Cockpit process.

    `database_url`: `sqlite:///<path>` or `postgresql://user:password@host:port/name`; None = SQLite below `data`.
    `certificate`/`private_key`: PEM files; with them HTTPS is spoken. `ui_directory`: None = the build in the package.
    """

    data: Path
    host: str = "127.0.0.1"
    port: int = 4446
    database_url: str | None = None
    first_password: str | None = None
    login_delays: LoginDelays = LoginDelays()
    maximum_body_bytes: int = 64 * 1024 * 1024
    maximum_sessions: int = 10_000
    certificate: Path | None = None
    private_key: Path | None = None
    certificate_authorities: Path | None = None
    ui_directory: Path | None = None
    events_response_seconds: float = 55.0
    events_collect_seconds: float = 2.0
    release_interval_seconds: float = 15.0
    delivery_pauses_seconds: tuple[float, ...] = (5.0, 15.0, 60.0, 300.0, 900.0)
    cluster: ClusterConfiguration = ClusterConfiguration()
    #: Who signs what is deployed: LOW the Cockpit for all, MEDIUM each account with its key, HIGH people elsewhere.
    security_level: Literal["LOW", "MEDIUM", "HIGH"] = "LOW"
    #: By which Git repositories of the inventory may be reached; `file` reads whatever this process may read.
    git_protocols: tuple[str, ...] = ("https", "ssh")
    #: How other members of the cluster and people reach this Cockpit; None: host name and port.
    url: str | None = None
    log_level: str = "INFO"
    #: One JSON object a line instead of text.
    log_json: bool = False

    @property
    def effective_database_url(self) -> str:
        return self.database_url or f"sqlite:///{self.data / 'cockpit.sqlite'}"
