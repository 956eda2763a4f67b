"""What a person configures of the Cockpit; values only, read by the command line from TOML and given to `Cockpit`.

Durations carry their unit in the name. Nothing here is secret except `first_password`.
"""

from __future__ import annotations

from pathlib import Path

import msgspec


class LoginDelays(msgspec.Struct, frozen=True):
    """Slow-down of wrong passwords, counted per account *and* address (cockpit-api 1.2; issue: settled points).

    The first `free_attempts` failures are answered at once, so that one mistyped password stops nobody.
    """

    free_attempts: int = 1
    short_seconds: float = 2.0
    short_attempts: int = 2
    long_seconds: float = 30.0


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
    session_idle_seconds: int = 1800
    login_delays: LoginDelays = LoginDelays()
    force_audit_comments: bool = False
    maximum_body_bytes: int = 64 * 1024 * 1024
    maximum_sessions: int = 10_000
    certificate: Path | None = None
    private_key: Path | None = None
    certificate_authorities: Path | None = None
    ui_directory: Path | None = None
    events_response_seconds: float = 55.0
    events_collect_seconds: float = 2.0
    release_interval_seconds: float = 15.0
    log_level: str = "INFO"
    #: One JSON object a line instead of text.
    log_json: bool = False

    @property
    def effective_database_url(self) -> str:
        return self.database_url or f"sqlite:///{self.data / 'cockpit.sqlite'}"
