"""Settings of a Controller, Agent or Subagent: TOML in its data folder, secrets in a file that only the owner reads.

    DATA/controller.toml, agent.toml or subagent.toml   settings
    DATA/private.toml                           users, passwords towards others; mode 0600; wins over the former
    DATA/private/trusted-x509-keys/             certificates whose signatures are accepted (*.pem)
    DATA/state/                                 the journal
    DATA/work/                                  emptied at each start

Every setting has a default; an unknown one is refused, so that a slip of the pen is noticed. Values only: nothing here
opens a port or a journal. `docs/reference/configuration.md` explains each setting.
"""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from stellwerk.cluster.member import DEFAULT_TIMING, ClusterConfiguration
from stellwerk.engine.events.cluster import ClusterTiming
from stellwerk.journal import JournalOptions
from stellwerk.wire.authentication import AuthenticationSettings
from stellwerk.wire.tls import TlsOptions

T = TypeVar("T")


class ConfigurationError(Exception):
    """A setting is wrong; the text names file, setting and remedy."""


class WebConfiguration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the node listens. With `certificate` HTTPS is spoken; `trust` are the client certificates' authorities."""

    host: str = "127.0.0.1"
    port: int = 0
    certificate: str | None = None
    private_key: str | None = None
    trust: tuple[str, ...] = ()
    #: HTTPS only: refuse clients without a certificate.
    client_authentication: bool = True
    public: bool = False
    loopback_is_public: bool = False
    get_is_public: bool = False
    invalid_authentication_delay_seconds: float = 1.0
    session_timeout_seconds: float = 3600.0

    def tls(self, folder: Path) -> TlsOptions | None:
        if self.certificate is None:
            return None
        return TlsOptions(
            certificate=folder / self.certificate,
            private_key=folder / self.private_key if self.private_key else None,
            trust=tuple(folder / name for name in self.trust),
            requires_client_certificate=self.client_authentication,
        )

    def authentication(self) -> AuthenticationSettings:
        return AuthenticationSettings(
            is_public=self.public,
            loopback_is_public=self.loopback_is_public,
            get_is_public=self.get_is_public,
            invalid_authentication_delay_seconds=self.invalid_authentication_delay_seconds,
        )


class JournalConfiguration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Journal files (journal spec 4.5, 4.6). Sizes in bytes."""

    snapshot_period_seconds: float = 3600.0
    snapshot_when_bigger_than: int = 1_000_000_000
    #: How long obsolete files are kept for readers that nobody has registered; None: 60 s Controller, 0 s Agent.
    release_events_delay_seconds: float | None = None
    #: Controller only: who has to have received the events before they are released.
    users_allowed_to_release_events: tuple[str, ...] = ()
    low_space_bytes: int = 256 << 20
    reserve_bytes: int = 8 << 20

    def options(self, default_release_delay_seconds: float) -> JournalOptions:
        delay = self.release_events_delay_seconds
        return JournalOptions(
            snapshot_period_ms=int(self.snapshot_period_seconds * 1000),
            snapshot_when_bigger_than=self.snapshot_when_bigger_than,
            release_delay_ms=int(1000 * (default_release_delay_seconds if delay is None else delay)),
            low_space_bytes=self.low_space_bytes,
            reserve_bytes=self.reserve_bytes,
        )


class ClusterSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The other node of a pair (cluster spec 1.1); without `peer` the node stands alone. Durations in seconds.

    Two nodes that are given each other's address find out who is active. With `is_backup` on the one and `node_id` or
    nothing on the other it is said beforehand.
    """

    #: Address of this node, as the other one reaches it, and of the other one: `http://HOST:PORT`.
    url: str | None = None
    peer: str | None = None
    node_id: str | None = None
    is_backup: bool | None = None
    heartbeat_seconds: float = DEFAULT_TIMING.heartbeat
    heartbeat_timeout_seconds: float = DEFAULT_TIMING.heartbeat_timeout
    consent_timeout_seconds: float = DEFAULT_TIMING.consent_timeout
    #: The watch (one id) or watches (three, of which two must agree); none: whoever comes first.
    watches: tuple[str, ...] = ()
    suppress_failover: bool = False
    keep_truncated_rest: bool = False
    #: With which this node logs in at the other one (private.toml). `user`: None, the Controller's id, or `agent`.
    user: str | None = None
    password: str | None = None

    def configuration(self) -> ClusterConfiguration:
        """Raises `ConfigurationError`."""
        if (self.url is None) != (self.peer is None):
            raise ConfigurationError("[cluster]: `url` (of this node) and `peer` (the other one) are given together")
        if self.peer is not None and self.url == self.peer:
            raise ConfigurationError("[cluster]: `url` and `peer` are the same address")
        if len(self.watches) not in (0, 1, 3) or len(set(self.watches)) != len(self.watches):
            raise ConfigurationError("[cluster]: `watches` names one watch, or three different ones")
        try:
            timing = ClusterTiming(
                heartbeat=self.heartbeat_seconds,
                heartbeat_timeout=self.heartbeat_timeout_seconds,
                consent_timeout=self.consent_timeout_seconds,
            )
        except ValueError as error:
            raise ConfigurationError(f"[cluster]: {error}") from error
        is_said = self.node_id is not None or self.is_backup is not None
        return ClusterConfiguration(
            node_id=self.node_id,
            is_backup=bool(self.is_backup) if is_said or self.peer is None else None,
            own_uri=None if self.url is None else self.url.rstrip("/"),
            peer_uri=None if self.peer is None else self.peer.rstrip("/"),
            timing=timing,
            watch_ids=self.watches,
            fails_over=not self.suppress_failover,
            keeps_truncated_rest=self.keep_truncated_rest,
        )


class JobsConfiguration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an Agent runs jobs (workflow spec 4)."""

    signed_script_injection_allowed: bool = False
    encoding: str = "utf-8"
    sigkill_delay_seconds: float = 15.0
    working_directory: str | None = None
    #: Relative to the data folder.
    executables_directory: str = "executables"
    #: Python modules for internal jobs (`package.module:function`). Relative to the data folder.
    python_directory: str = "python"


class LogConfiguration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    level: str = "INFO"
    #: One JSON object a line instead of text.
    json: bool = False


class SubagentDriverConfiguration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An Agent's connection to its Subagents (cluster spec 3.3).

    `job_lease_seconds`, alike at both Directors: the jobs on an active Director's own machine are ended when it has not
    heard of the other one for so long and has not become certain that it may go on alone; the other one, when it has
    failed over and that machine is silent, gives its jobs up a little later.
    """

    heartbeat_seconds: float = 3.0
    heartbeat_timeout_seconds: float = 10.0
    reset_timeout_seconds: float = 2.0
    command_retry_seconds: float = 5.0
    job_lease_seconds: Annotated[float, msgspec.Meta(ge=1.0)] = 10.0
    reconnect_delays_seconds: tuple[float, ...] = (0.5, 0.5, *(1.0,) * 7, 2.0, 2.0, 4.0, 4.0, 5.0, 5.0, 10.0)


class ComponentConfiguration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What Controller, Agent and Subagent have in common."""

    data: Path
    web: WebConfiguration = WebConfiguration()
    log: LogConfiguration = LogConfiguration()
    #: Client certificate towards other nodes (PEM, relative to the data folder), and whom to trust.
    client_certificate: str | None = None
    client_private_key: str | None = None
    client_trust: tuple[str, ...] = ()
    #: `users.<id>` of private.toml (journal spec 2.4).
    users: dict[str, Any] = {}

    def client_tls(self) -> TlsOptions | None:
        if self.client_certificate is None and not self.client_trust:
            return None
        return TlsOptions(
            certificate=self.data / self.client_certificate if self.client_certificate else None,
            private_key=self.data / self.client_private_key if self.client_private_key else None,
            trust=tuple(self.data / name for name in self.client_trust),
        )

    @property
    def state_directory(self) -> Path:
        return self.data / "state"

    @property
    def work_directory(self) -> Path:
        return self.data / "work"

    @property
    def trusted_keys_directory(self) -> Path:
        return self.data / "private" / "trusted-x509-keys"


class NodeConfiguration(ComponentConfiguration, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What Controller and Agent have in common."""

    journal: JournalConfiguration = JournalConfiguration()
    cluster: ClusterSection = ClusterSection()


class ControllerConfiguration(NodeConfiguration, frozen=True, forbid_unknown_fields=True, kw_only=True):
    id: str = "controller"
    #: AgentPath → password of this Controller at that Agent.
    agents: dict[str, str] = {}


class WatchedPair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two nodes that a witness watches. `kind` says whose API it is."""

    nodes: tuple[str, str]
    kind: Literal["controller", "agent"] = "controller"
    user: str | None = None
    password: str | None = None
    #: A person confirms each fail-over.
    require_failover_confirmation: bool = False


class WitnessSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A witness in an Agent's process (`node.witness`)."""

    id: str
    pairs: dict[str, WatchedPair] = {}


class AgentConfiguration(NodeConfiguration, frozen=True, forbid_unknown_fields=True, kw_only=True):
    jobs: JobsConfiguration = JobsConfiguration()
    #: SubagentId → password of this Agent's Director at that Subagent.
    subagents: dict[str, str] = {}
    subagent_driver: SubagentDriverConfiguration = SubagentDriverConfiguration()
    #: This process is a witness of others' pairs, too.
    witness: WitnessSection | None = None

    @property
    def witness_directory(self) -> Path:
        return self.data / "witness"


class SubagentConfiguration(ComponentConfiguration, frozen=True, forbid_unknown_fields=True, kw_only=True):
    jobs: JobsConfiguration = JobsConfiguration()
    #: Events that are kept for the Director; then jobs that write on are held up.
    journal_event_count: int = 10_000


def read_controller_configuration(data: Path) -> ControllerConfiguration:
    """Raises `ConfigurationError`."""
    return read_configuration(data, "controller.toml", ControllerConfiguration)


def read_agent_configuration(data: Path) -> AgentConfiguration:
    """Raises `ConfigurationError`."""
    return read_configuration(data, "agent.toml", AgentConfiguration)


def read_subagent_configuration(data: Path) -> SubagentConfiguration:
    """Raises `ConfigurationError`."""
    return read_configuration(data, "subagent.toml", SubagentConfiguration)


def read_configuration(data: Path, name: str, type_: type[T]) -> T:
    """The settings of one component from `name` and private.toml in its data folder. Raises `ConfigurationError`."""
    data = Path.cwd() / data
    if not data.is_dir():
        raise ConfigurationError(f"the data folder {data} does not exist; make it, with a {name} inside")
    values = read_settings(data, name)
    try:
        configuration = msgspec.convert({**values, "data": data}, type_)
        if isinstance(configuration, NodeConfiguration):
            configuration.cluster.configuration()
        return configuration
    except msgspec.ValidationError as error:
        raise ConfigurationError(
            f"{data / name} or private.toml: {error}; docs/reference/configuration.md lists the settings"
        ) from error


def read_settings(data: Path, name: str) -> dict[str, Any]:
    """`name` and private.toml of a data folder as plain values; the latter wins. Raises `ConfigurationError`."""
    values = _toml(data / name)
    private = data / "private.toml"
    if private.exists() and private.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigurationError(f"{private} holds secrets and must be readable by its owner only: chmod 600 {private}")
    _merge(values, _toml(private))
    if "data" in values:
        raise ConfigurationError(f"{data / name}: `data` is not a setting, it is the folder of this file")
    return values


def _toml(file: Path) -> dict[str, Any]:
    if not file.exists():
        return {}
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: {error}") from error


def _merge(values: dict[str, Any], others: dict[str, Any]) -> None:
    for name, value in others.items():
        old = values.get(name)
        if isinstance(old, dict) and isinstance(value, dict):
            _merge(old, value)
        else:
            values[name] = value
