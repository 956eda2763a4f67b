"""The page of settings: names, types and defaults from the program's own structs, one sentence for each from here."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from stellwerk.cockpit.configuration import ClusterConfiguration, CockpitConfiguration, LoginDelays
from stellwerk.node.configuration import (
    AgentConfiguration,
    ClusterSection,
    ComponentConfiguration,
    ControllerConfiguration,
    JobsConfiguration,
    JournalConfiguration,
    LogConfiguration,
    SubagentConfiguration,
    SubagentDriverConfiguration,
    WatchedPair,
    WebConfiguration,
    WitnessSection,
)
from stellwerk.node.witness import WitnessConfiguration

#: (heading, struct, explanations). A setting without explanation fails the test of the page.
_SECTIONS: Final[list[tuple[str, type[msgspec.Struct], dict[str, str]]]] = [
    (
        "`cockpit.toml`",
        CockpitConfiguration,
        {
            "host": "address to listen on",
            "port": "port to listen on; 0: a free one",
            "database_url": "`postgresql://user:password@host:port/name`, `sqlite:///path`; none: SQLite beside it",
            "login_delays": "see below",
            "maximum_body_bytes": "larger requests are refused",
            "maximum_sessions": "with more sessions at a time the one idle longest ends",
            "certificate": "PEM file; with it HTTPS is spoken",
            "private_key": "PEM file of the certificate's key",
            "certificate_authorities": "PEM file of those whose client certificates are accepted",
            "ui_directory": "another build of the web UI than the one in the package",
            "events_response_seconds": "how long `events` waits for something to tell",
            "security_level": "who signs what is deployed: `LOW` the Cockpit for all, `MEDIUM` each account with "
            "its own key, `HIGH` people elsewhere ([how to](../how-to/signing.md))",
            "git_protocols": "by which Git repositories of the inventory may be reached; `file` lets all who may "
            "manage the inventory read what this process may read",
            "events_collect_seconds": "how long `events` goes on collecting once there is something",
            "release_interval_seconds": "how often the Controller is told what it need not keep",
            "delivery_pauses_seconds": "before a message that was not taken is sent again; the last one repeats",
            "log_level": "DEBUG, INFO, WARNING or ERROR",
            "cluster": "see below",
            "url": "how people and other members reach this Cockpit; none: host and port",
            "log_json": "one JSON object a line instead of text",
        },
    ),
    (
        "`[cluster]` of `cockpit.toml`",
        ClusterConfiguration,
        {
            "ordering": "0 to 99, unique among the members; none: the first that is free",
            "title": "name to show; none: the host's",
            "as_api_server": "serve API and UI, but never become the active one",
            "interval_seconds": "time between two heart beats",
            "lease_seconds": "an active member that has not been heard for so long is replaced",
        },
    ),
    (
        "`[login_delays]` of `cockpit.toml`",
        LoginDelays,
        {
            "free_attempts": "so many wrong passwords per account and address are answered at once",
            "short_seconds": "delay of the next ones",
            "short_attempts": "how many get the short delay",
            "long_seconds": "delay of all after those",
        },
    ),
    (
        "`controller.toml`",
        ControllerConfiguration,
        {
            "id": "the ControllerId; the journal belongs to it",
            "agents": "AgentPath → password of this Controller at that Agent (in `private.toml`)",
        },
    ),
    (
        "`agent.toml`",
        AgentConfiguration,
        {
            "subagents": "SubagentId → password of this Agent at that Subagent (in `private.toml`)",
            "witness": "see below; none: this process is no witness",
        },
    ),
    (
        "`[subagent_driver]` of `agent.toml`",
        SubagentDriverConfiguration,
        {
            "heartbeat_seconds": "told to Subagents: how often they are to be heard of at least",
            "heartbeat_timeout_seconds": "a Subagent that is not heard of for so long gets no more jobs",
            "reset_timeout_seconds": "how long a reset or deletion waits for a Subagent's answer",
            "command_retry_seconds": "a command that was not answered is repeated after so long",
            "job_lease_seconds": "with two Directors, alike at both: jobs on the active one's machine are ended when "
            "it has not heard of the other one for so long and is not certain that it may go on alone",
            "reconnect_delays_seconds": "pauses between tries to couple; the last one repeats",
        },
    ),
    (
        "`subagent.toml`",
        SubagentConfiguration,
        {"journal_event_count": "events that are kept for the Director; then jobs that write on are held up"},
    ),
    (
        "`witness.toml`",
        WitnessConfiguration,
        {"id": "the name of this watch; each witness has its own", "pairs": "name → the tables below"},
    ),
    (
        "`[witness]` of `agent.toml`",
        WitnessSection,
        {"id": "the name of this watch; each witness has its own", "pairs": "name → the table below"},
    ),
    (
        "`[pairs.NAME]` of `witness.toml`, `[witness.pairs.NAME]` of `agent.toml`",
        WatchedPair,
        {
            "nodes": 'the addresses of the two nodes, `["http://HOST:PORT", "http://HOST:PORT"]`',
            "kind": "whose API it is: controller or agent",
            "user": "with which the witness logs in at both; none: the witness's id",
            "password": "of that user (in `private.toml`)",
            "require_failover_confirmation": "no fail-over before a person has confirmed that the lost node is stopped",
        },
    ),
    (
        "Towards other nodes: Controller, Agent, Subagent and witness",
        ComponentConfiguration,
        {
            "client_certificate": "PEM file: client certificate towards other nodes",
            "client_private_key": "PEM file of its key",
            "client_trust": "PEM files of those whose server certificates are trusted",
        },
    ),
    (
        "`[cluster]` of `controller.toml` and `agent.toml`",
        ClusterSection,
        {
            "url": "address of this node as the other one reaches it; Controller only",
            "peer": "address of the other node of the pair; none: this node stands alone (Controller)",
            "node_id": "`Primary` or `Backup`, where it is to be said beforehand",
            "is_backup": "this node begins as the passive one; an Agent's second Director needs it",
            "heartbeat_seconds": "time between two signs of life",
            "heartbeat_timeout_seconds": "a node that has not been heard for so long is taken to be lost",
            "consent_timeout_seconds": "how long watches may take to consent",
            "watches": "ids of the watches: one, or three of which two must agree; none: whoever comes first",
            "suppress_failover": "never become active because the other node is lost",
            "keep_truncated_rest": "keep a copy of what is cut off the journal of a node that was active",
            "user": "with which this node logs in at the other one; none: the Controller's id, or `agent`",
            "password": "of that user (in `private.toml`)",
        },
    ),
    (
        "`[web]` of Controller, Agent and Subagent",
        WebConfiguration,
        {
            "host": "address to listen on",
            "port": "port to listen on; 0: a free one",
            "certificate": "PEM file; with it HTTPS is spoken",
            "private_key": "PEM file of the certificate's key",
            "trust": "PEM files of those whose client certificates are accepted",
            "client_authentication": "HTTPS only: refuse clients without a certificate",
            "public": "everybody may do everything",
            "loopback_is_public": "everybody on this machine may do everything",
            "get_is_public": "everybody may read",
            "invalid_authentication_delay_seconds": "delay of the answer to a wrong password",
            "session_timeout_seconds": "a session ends after so long without a request",
        },
    ),
    (
        "`[journal]` of Controller and Agent",
        JournalConfiguration,
        {
            "snapshot_period_seconds": "a new journal file begins after so long",
            "snapshot_when_bigger_than": "a new journal file begins at so many bytes",
            "release_events_delay_seconds": "how long obsolete files are kept; none: 60 at a Controller, 0 at an Agent",
            "users_allowed_to_release_events": "Controller: who must have received events before they are deleted",
            "low_space_bytes": "below this free space new work is refused",
            "reserve_bytes": "size of the file that is given back when space runs out",
        },
    ),
    (
        "`[jobs]` of `agent.toml` and `subagent.toml`",
        JobsConfiguration,
        {
            "signed_script_injection_allowed": "signed workflows may bring scripts of their own",
            "encoding": "of scripts and of jobs' output",
            "sigkill_delay_seconds": "between SIGTERM and SIGKILL, where a job does not say it",
            "working_directory": "where jobs start; none: the Agent's own",
            "executables_directory": "where relative `PathExecutable`s lie, relative to the data folder",
            "python_directory": "Python modules for internal jobs (`package.module:function`), relative to data",
        },
    ),
    (
        "`[log]` of Controller, Agent and Subagent",
        LogConfiguration,
        {"level": "DEBUG, INFO, WARNING or ERROR", "json": "one JSON object a line instead of text"},
    ),
]
#: Of the data folder itself, tables of their own, or given otherwise.
_ELSEWHERE = frozenset({"data", "web", "journal", "log", "jobs", "client", "subagent_driver", "first_password"})
#: Of every component, told once.
_COMMON = frozenset({"client_certificate", "client_private_key", "client_trust"})

_HEAD = """# Configuration

This page is generated from the program's own settings (`make docs`). Each component reads TOML from its data folder:
`cockpit.toml`, `controller.toml`, `agent.toml`, `subagent.toml` or `witness.toml`; and `private.toml` (mode 0600),
which wins. Everything has a default; unknown settings are refused (not by the Cockpit). Paths are relative to the data
folder. The first password of a new Cockpit may be given by the environment variable `STELLWERK_ADMIN_PASSWORD`.

`users` (in `private.toml`) names who may log in at a Controller, Agent or Subagent; at a Subagent that is the id of its
Director's own Subagent:

```toml
[users.controller]
password = "plain:a long secret"

[users.agent-1-1]
password = "plain:another long secret"
permissions = ["AgentDirector"]
```
"""


def _shown(field: msgspec.structs.FieldInfo) -> str:
    default: Any = field.default
    if default is msgspec.NODEFAULT:
        default = None if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    if isinstance(default, msgspec.Struct):
        return ""
    return "none" if default is None else f"`{msgspec.json.encode(default).decode()}`"


def configuration_page() -> str:
    parts = [_HEAD]
    for heading, struct, explanations in _SECTIONS:
        names = [field.name for field in msgspec.structs.fields(struct)]
        assert not set(explanations) - set(names), f"{heading}: no such setting {set(explanations) - set(names)}"
        rows = [
            f"| `{field.name}` | {_shown(field)} | {explanations[field.name]} |"
            for field in msgspec.structs.fields(struct)
            if field.name not in _ELSEWHERE | {"users"}
            and (field.name not in _COMMON or struct is ComponentConfiguration)
            and (field.name != "cluster" or struct is CockpitConfiguration)
        ]
        parts.append(f"## {heading}\n")
        if rows:
            parts.append("\n".join(["| Setting | Default | Meaning |", "|---|---|---|", *rows]) + "\n")
        else:
            parts.append("Only the tables below.\n")
    return "\n".join(parts)
