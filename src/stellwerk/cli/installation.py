"""The data folder of `stellwerk up`: which components there are, their ports, identities and secrets.

    DATA/up.json                     ports and names; no secrets
    DATA/up.lock                     held while `up` runs
    DATA/cockpit/cockpit.toml        DATA/cockpit/private/controllers/<id>.toml   (0600)
    DATA/controller/controller.toml  DATA/controller/private.toml                 (0600)
    DATA/agents/NAME/agent.toml      DATA/agents/NAME/private.toml                (0600)
    DATA/*/component.json            pid and start time of a running component
    DATA/controller-2, DATA/cockpit-2, DATA/witness-1, DATA/witness-2      with --cluster only
    DATA/agents/NAME-2, NAME-3       second Director and a Subagent of the first Agent, with --cluster only
    DATA/database                    the PostgreSQL of the Cockpits, with --cluster only
    DATA/cockpit/signing-certificate.pem, copied to private/trusted-x509-keys of Controller and Agents

Everything is made at the first start and kept: a second start goes on with the same ports, identities and data. One
secret per link is generated into files that only their owner can read (journal spec 2.3); none is ever on a command
line.
"""

from __future__ import annotations

import os
import secrets
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from stellwerk.cli.output import CommandError
from stellwerk.cockpit.deployment.key_files import ensure_key_files
from stellwerk.language.names import check_name

CONTROLLER_ID = "controller"
COCKPIT_USER = "cockpit"
#: Of the link from the Cockpits to the Controllers.
COCKPIT_LINK = "cockpit-controller"
DEFAULT_AGENTS = ("agent-1", "agent-2")
#: Who arbitrates between two Controllers: two of them must agree. `joc` is the active Cockpit.
WATCHES = ("joc", "witness-1", "witness-2")


class ClusteredAgent(msgspec.Struct, rename="camel"):
    """What an Agent has beside its first Director: a second one, and a Subagent. Their ports."""

    director_port: int
    subagent_port: int


class ClusterPorts(msgspec.Struct, rename="camel"):
    """What a clustered installation has in addition (`--cluster`)."""

    controller_port: int
    cockpit_port: int
    #: Name → port.
    witnesses: dict[str, int]
    #: Agent name → its other machines.
    agents: dict[str, ClusteredAgent] = {}


class Machine(msgspec.Struct, frozen=True):
    """One process of an Agent: its folder below `agents`, which is its SubagentId, too."""

    name: str
    agent: str
    port: int
    #: `agent` (with a Director) or `subagent`.
    command: str


class Installation(msgspec.Struct, rename="camel"):
    """What `up.json` holds. Ports of Controller and Agents are free ones, chosen once."""

    cockpit_port: int
    controller_port: int
    #: Agent name → port.
    agents: dict[str, int]
    cluster: ClusterPorts | None = None

    @classmethod
    def open(
        cls, data: Path, *, port: int, agents: list[str], cluster: bool = False, database_url: str | None = None
    ) -> Installation:
        """Read or make the installation; Agents that are named anew are added. Raises `CommandError`.

        `cluster`: with a second Controller and witnesses; stays so. `database_url`: PostgreSQL, for a second Cockpit.
        """
        for name in agents:
            problem = check_name("AgentRef", name)
            if problem is not None or "/" in name:
                raise CommandError(f"{name!r} is not a name for an Agent", "letters, digits, - and . are fine")
        installation = cls.read(data)
        if installation is None:
            installation = cls(cockpit_port=port, controller_port=free_port(), agents={})
            agents = agents or list(DEFAULT_AGENTS)
        if port and port != installation.cockpit_port:
            installation.cockpit_port = port
        for name in agents:
            if name not in installation.agents:
                installation.agents[name] = free_port()
        if installation.cockpit_port == 0:
            installation.cockpit_port = free_port()
        if cluster and installation.cluster is None:
            witnesses = {name: free_port() for name in WATCHES[1:]}
            installation.cluster = ClusterPorts(free_port(), free_port(), witnesses)
        if installation.cluster is not None and not installation.cluster.agents:
            # One Agent shows it all, and more of them would only cost memory.
            first = next(iter(installation.agents))
            installation.cluster.agents[first] = ClusteredAgent(free_port(), free_port())
        installation.write(data, database_url)
        return installation

    @classmethod
    def read(cls, data: Path) -> Installation | None:
        """The installation in the folder, if there is one. Raises `CommandError`."""
        file = data / "up.json"
        if not file.exists():
            return None
        try:
            return msgspec.json.decode(file.read_bytes(), type=cls)
        except msgspec.DecodeError as error:
            raise CommandError(f"{file} cannot be read: {error}", "restore the file from a backup") from error

    def write(self, data: Path, database_url: str | None) -> None:
        data.mkdir(parents=True, exist_ok=True)
        write_file(data / "up.json", msgspec.json.format(msgspec.json.encode(self), indent=2))
        for folder in self.controllers:
            self._write_controller(data / folder)
        for machine in self.machines:
            self._write_machine(data / "agents" / machine.name, machine, data)
        cockpits = self.cockpits(has_database=database_url is not None)
        for ordering, folder in enumerate(cockpits):
            self._write_cockpit(data, folder, ordering, database_url)
        for name, port in self.witnesses.items():
            self._write_witness(data / name, name, port)
        self._trust_signatures(data, list(cockpits))

    @property
    def controllers(self) -> dict[str, int]:
        """Folder → port."""
        one = {"controller": self.controller_port}
        return one if self.cluster is None else {**one, "controller-2": self.cluster.controller_port}

    def cockpits(self, *, has_database: bool) -> dict[str, int]:
        """Folder → port. Two of them need a database that both can reach."""
        one = {"cockpit": self.cockpit_port}
        return {**one, "cockpit-2": self.cluster.cockpit_port} if self.cluster is not None and has_database else one

    @property
    def witnesses(self) -> dict[str, int]:
        return {} if self.cluster is None else self.cluster.witnesses

    def machines_of(self, agent: str) -> list[Machine]:
        """The Agent's processes: of a clustered one two Directors, the primary first, and a Subagent."""
        machines = [Machine(agent, agent, self.agents[agent], "agent")]
        others = None if self.cluster is None else self.cluster.agents.get(agent)
        if others is not None:
            machines.append(Machine(f"{agent}-2", agent, others.director_port, "agent"))
            machines.append(Machine(f"{agent}-3", agent, others.subagent_port, "subagent"))
        return machines

    @property
    def machines(self) -> list[Machine]:
        """Of all Agents."""
        return [machine for agent in self.agents for machine in self.machines_of(agent)]

    def url(self, port: int) -> str:
        return f"http://127.0.0.1:{port}"

    def _write_cockpit(self, data: Path, name: str, ordering: int, database_url: str | None) -> None:
        folder = data / name
        _write_once(folder / "cockpit.toml", 'host = "127.0.0.1"\n')
        _write_secret(
            folder / "private" / "controllers" / f"{CONTROLLER_ID}.toml",
            f'user = "{COCKPIT_USER}"\npassword = "{secret_of(data, COCKPIT_LINK)}"\n',
        )
        if database_url is not None:
            _write_secret(
                folder / "private.toml",
                f'database_url = "{database_url}"\n\n[cluster]\nordering = {ordering}\ntitle = "{name}"\n',
            )

    def _trust_signatures(self, data: Path, cockpits: list[str]) -> None:
        """Controllers and Agents trust the certificates with which the Cockpits sign what they deploy."""
        for cockpit in cockpits:
            certificate = ensure_key_files(data / cockpit, datetime.now(UTC))
            folders = [data / name for name in self.controllers]
            for folder in (*folders, *(data / "agents" / machine.name for machine in self.machines)):
                write_file(folder / "private" / "trusted-x509-keys" / f"{cockpit}.pem", certificate)

    def _write_controller(self, folder: Path) -> None:
        data = folder.parent
        _write_once(
            folder / "controller.toml",
            f'id = "{CONTROLLER_ID}"\n\n[web]\nhost = "127.0.0.1"\nport = {self.controllers[folder.name]}\n\n'
            f'[journal]\nusers_allowed_to_release_events = ["{COCKPIT_USER}"]\n'
            "release_events_delay_seconds = 5\nsnapshot_period_seconds = 600\n",
        )
        lines = [
            f'[users.{COCKPIT_USER}]\npassword = "plain:{secret_of(data, COCKPIT_LINK)}"\n'
            'permissions = ["UpdateItem", "ReadMetrics"]\n',
        ]
        if self.cluster is not None:
            peer = next(port for name, port in self.controllers.items() if name != folder.name)
            watches = ", ".join(f'"{name}"' for name in WATCHES)
            # Said beforehand, because the Cockpit is told who is the primary one.
            is_backup = "false" if folder.name == "controller" else "true"
            lines.append(
                f"[cluster]\nis_backup = {is_backup}\n"
                f'url = "{self.url(self.controllers[folder.name])}"\npeer = "{self.url(peer)}"\n'
                f'watches = [{watches}]\npassword = "{secret_of(data, "controller-controller")}"\n'
            )
            lines.append(f'[users.{CONTROLLER_ID}]\npassword = "plain:{secret_of(data, "controller-controller")}"\n')
            for name in self.witnesses:
                lines.append(f'[users.{name}]\npassword = "plain:{secret_of(data, name)}"\n')
        lines.append("[agents]")
        lines += [f'"{name}" = "{secret_of(data, "controller-" + name)}"' for name in self.agents]
        _write_secret(folder / "private.toml", "\n".join(lines) + "\n")

    def _write_witness(self, folder: Path, name: str, port: int) -> None:
        nodes = ", ".join(f'"{self.url(node)}"' for node in self.controllers.values())
        _write_once(
            folder / "witness.toml",
            f'id = "{name}"\n\n[web]\nhost = "127.0.0.1"\nport = {port}\n\n'
            f"[pairs.{CONTROLLER_ID}]\nnodes = [{nodes}]\n",
        )
        _write_secret(
            folder / "private.toml",
            f'[pairs.{CONTROLLER_ID}]\nuser = "{name}"\npassword = "{secret_of(folder.parent, name)}"\n',
        )

    def _write_machine(self, folder: Path, machine: Machine, data: Path) -> None:
        journal = "[journal]\nsnapshot_period_seconds = 600\n\n" if machine.command == "agent" else ""
        _write_once(
            folder / f"{machine.command}.toml",
            f'[web]\nhost = "127.0.0.1"\nport = {machine.port}\n\n{journal}'
            "[jobs]\nsigned_script_injection_allowed = true\n",
        )
        lines = []
        if machine.command == "agent":
            secret = secret_of(data, "controller-" + machine.agent)
            lines.append(f'[users.{CONTROLLER_ID}]\npassword = "plain:{secret}"\n')
        machines = self.machines_of(machine.agent)
        directors = [other for other in machines if other.command == "agent" and other != machine]
        if machine.command == "agent" and directors:
            secret = secret_of(data, f"{machine.agent}-directors")
            is_backup = "true" if machine.name != machine.agent else "false"
            lines.append(f'[cluster]\nis_backup = {is_backup}\npassword = "{secret}"\n')
            lines.append(f'[users.agent]\npassword = "plain:{secret}"\n')
        for director in directors:
            secret = secret_of(data, f"{director.name}-{machine.name}")
            lines.append(f'[users."{director.name}"]\npassword = "plain:{secret}"\npermissions = ["AgentDirector"]\n')
        if machine.command == "agent" and len(machines) > 1:
            lines.append("[subagents]")
            others = [other.name for other in machines if other != machine]
            lines += [f'"{name}" = "{secret_of(data, f"{machine.name}-{name}")}"' for name in others]
        _write_secret(folder / "private.toml", "\n".join(lines) + "\n")


def secret_of(data: Path, link: str) -> str:
    """The secret of one link, generated at its first use."""
    file = data / "secrets" / link
    if not file.exists():
        _write_secret(file, secrets.token_urlsafe(32))
    return file.read_text()


def write_file(file: Path, content: bytes | str, mode: int = 0o644) -> None:
    """Replace a file as a whole."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(file.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content.encode() if isinstance(content, str) else content)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(file)


def _write_once(file: Path, content: str) -> None:
    """A configuration file belongs to the person as soon as it exists."""
    if not file.exists():
        write_file(file, content)


def _write_secret(file: Path, content: str) -> None:
    if not file.exists() or file.read_text() != content:
        file.parent.mkdir(parents=True, exist_ok=True)
        os.chmod(file.parent, 0o700)
        write_file(file, content, 0o600)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_port_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def process_start_time(pid: int) -> str | None:
    """The kernel's start time of a process, so that a pid used again is not taken for it; None when it is gone.

    Gone is also what has ended and only waits for its parent to notice: whoever started a component by hand may not.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, *fields = stat.rsplit(")", 1)[1].split()
    return None if state in "ZX" else fields[18]


def read_json(file: Path) -> Any:
    return msgspec.json.decode(file.read_bytes())


def running_process(folder: Path) -> tuple[int, str] | None:
    """Pid and start time of the component that runs on this folder, as it has noted itself."""
    try:
        noted = read_json(folder / "component.json")
    except (OSError, msgspec.DecodeError):
        return None
    pid, start = int(noted["pid"]), noted.get("start")
    return (pid, start) if start is not None and process_start_time(pid) == start else None
