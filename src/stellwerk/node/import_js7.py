"""Takes over the configuration of a JS7 Controller or Agent: its HOCON files become our TOML files.

    FOLDER/config/controller.conf or agent.conf      →  DATA/controller.toml or agent.toml
    FOLDER/config/private/private.conf               →  DATA/private.toml (0600)
    trusted-signature-keys.X509                      →  DATA/private/trusted-x509-keys/

Keys and their meaning: journal spec 2.4 to 2.6 and 5.3. Guarantees: nothing is dropped in silence (each key is taken
over, or named in `Imported.notes` with what to do); nothing that exists is overwritten; what is written can be read by
`stellwerk.node.configuration`. Reads configuration only, never JS7's journal: orders do not move with it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from pyhocon import ConfigFactory
from pyhocon.exceptions import ConfigException
from pyparsing import ParseBaseException

from stellwerk.node.configuration import AgentConfiguration, ConfigurationError, ControllerConfiguration

PORTS = {"controller": 4444, "agent": 4445}
_TYPES = {"controller": ControllerConfiguration, "agent": AgentConfiguration}
_SECRET = re.compile("password|secret|auth.users|auth.agents|auth.subagents", re.IGNORECASE)
#: Seconds of a unit by its first letters.
_UNITS = {"ms": 0.001, "mil": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?) *(?:(ms|[smhd])|(mil|s(?=ec)|m(?=in)|h(?=our)|d(?=ay))[a-z]+)")
#: Any moment, to which a period can be added.
_MOMENT = datetime(2000, 1, 1)  # noqa: DTZ001 - no time zone matters
_SIZE = re.compile(r"(\d+(?:\.\d+)?) *(?:([kmgt])(i)?b?|b|bytes?)?", re.IGNORECASE)


class Note(msgspec.Struct, frozen=True):
    """A key (or file) that was not simply taken over: why, and what to do."""

    key: str
    text: str


@dataclass
class Imported:
    """Settings and secrets in our form, certificates to copy, and what a person has to look at."""

    component: str
    settings: dict[str, Any] = field(default_factory=dict)
    private: dict[str, Any] = field(default_factory=dict)
    trusted_certificates: list[Path] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def note(self, key: str, text: str) -> None:
        self.notes.append(Note(key, text))


def import_js7(folder: Path, data: Path) -> tuple[Imported, list[Path]]:
    """Convert the JS7 folder and write our files; returns what was written. Raises `ConfigurationError`."""
    component, directory = _find(folder)
    imported = convert(component, _read(component, directory, folder), directory)
    files = {data / f"{component}.toml": (_toml(imported.settings), 0o644)}
    if imported.private:
        files[data / "private.toml"] = (_toml(imported.private), 0o600)
    for certificate in imported.trusted_certificates:
        target = data / "private" / "trusted-x509-keys" / f"{certificate.stem}.pem"
        files[target] = (certificate.read_text("utf-8"), 0o644)
    existing = [str(file) for file in files if file.exists()]
    if existing:
        raise ConfigurationError(f"{', '.join(existing)} exists already; choose another data folder, or move it away")
    for file, (text, mode) in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
    return imported, list(files)


def convert(component: str, values: Mapping[str, Any], directory: Path) -> Imported:
    """The pure part: `values` are JS7's keys with dots, `directory` is JS7's config folder."""
    imported = Imported(component)
    web = imported.settings.setdefault("web", {})
    web["port"] = PORTS[component]
    imported.note(
        "--http-port, --https-port",
        f"JS7 takes ports from its command line: look at web.host and web.port, set to 127.0.0.1 and {web['port']}",
    )
    for key, value in values.items():
        rule = _rule(component, key)
        if rule is None:
            imported.note(key, "has no counterpart and was left out")
            continue
        try:
            rule(imported, key, value)
        except (ValueError, TypeError, AttributeError) as error:
            shown = "***" if _SECRET.search(key) else repr(value)
            raise ConfigurationError(f"{directory}: {key} = {shown} cannot be taken over: {error}") from error
    if component == "agent" and (directory / "executables").is_dir():
        imported.note("config/executables", f"copy the scripts: cp -a {directory / 'executables'} DATA/executables")
    for name in ("https-keystore.p12", "https-client-keystore.p12"):
        if (directory / "private" / name).exists() and "certificate" not in web:
            imported.note(f"config/private/{name}", "JS7's default key store is not used here; " + _pem_remedy(name))
    merged = {**imported.settings, **imported.private, "data": directory}
    try:
        msgspec.convert(merged, _TYPES[component])
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{directory}: what was read does not make a configuration: {error}") from error
    return imported


# --- reading HOCON ---------------------------------------------------------------------------------------------------


def _find(folder: Path) -> tuple[str, Path]:
    places = (folder / "config", folder)
    found = [(name, place) for place in places for name in PORTS if (place / f"{name}.conf").is_file()]
    if not found:
        raise ConfigurationError(
            f"{folder} holds neither controller.conf nor agent.conf (nor config/ with one of them); "
            "name the folder of a JS7 Controller or Agent, such as /var/opt/js7/controller"
        )
    if len(found) > 1:
        raise ConfigurationError(f"{folder} holds several configurations; name the folder of one component")
    return found[0]


def _read(component: str, directory: Path, folder: Path) -> dict[str, Any]:
    """All keys with dots; private.conf wins over the other file (journal spec 5.1)."""
    provided = {"js7.config-directory": str(directory), "js7.data-directory": str(folder / "data")}
    config = ConfigFactory.parse_string("", resolve=False)
    try:
        for file in (directory / "private" / "private.conf", directory / f"{component}.conf"):
            if file.is_file():
                config = config.with_fallback(ConfigFactory.parse_file(str(file), resolve=False), resolve=False)
        config = config.with_fallback(ConfigFactory.from_dict(_nested(provided)))
    except (ConfigException, ParseBaseException, OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the files in {directory} are no HOCON that can be read: {error}") from error
    values = dict(_flat(config.as_plain_ordered_dict()))
    return {key: value for key, value in values.items() if not (key in provided and provided[key] == value)}


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *path, last = key.split(".")
        node = tree
        for name in path:
            node = node.setdefault(name, {})
        node[last] = value
    return tree


#: Objects that are taken over as a whole, because their keys are names that people have chosen.
_WHOLE = ("js7.auth.users", "js7.auth.agents", "js7.auth.subagents")


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        key = f"{prefix}.{name}" if prefix else name
        if isinstance(value, Mapping) and key not in _WHOLE:
            yield from _flat(value, key)
        else:
            yield key, value


# --- the keys --------------------------------------------------------------------------------------------------------

Rule = Callable[[Imported, str, Any], None]


def _rule(component: str, key: str) -> Rule | None:
    return _RULES.get(key) or _RULES.get(f"{component}:{key}")


def _set(place: str, read: Callable[[Any], Any]) -> Rule:
    section, _, name = place.rpartition(".")

    def rule(imported: Imported, key: str, value: Any) -> None:
        target = imported.settings.setdefault(section, {}) if section else imported.settings
        target[name] = read(value)

    return rule


def _file(place: str, *, in_list: bool = False) -> Rule:
    """A key or trust store: PEM is used where it lies; PKCS#12 has to be converted by a person."""
    section, _, name = place.rpartition(".")

    def rule(imported: Imported, key: str, value: Any) -> None:
        target = imported.settings.setdefault(section, {}) if section else imported.settings
        files = [item["file"] if isinstance(item, Mapping) else item for item in (value if in_list else [value])]
        usable = [str(file) for file in files if not str(file).lower().endswith((".p12", ".pfx"))]
        for file in files:
            if str(file) not in usable:
                imported.note(key, f"{file} is PKCS#12; {_pem_remedy(str(file))}, and set {place}")
        if usable:
            target[name] = usable if in_list else usable[0]

    return rule


def _pem_remedy(file: str) -> str:
    return f"convert it: openssl pkcs12 -in {file} -nodes -out DATA/private/{Path(file).stem}.pem (chmod 600)"


def _both(*rules: Rule) -> Rule:
    def rule(imported: Imported, key: str, value: Any) -> None:
        for each in rules:
            each(imported, key, value)

    return rule


def _users(imported: Imported, key: str, value: Any) -> None:
    users = imported.private.setdefault("users", {})
    for user_id, entry in value.items():
        if isinstance(entry, Mapping):
            entry = {name.replace("-", "_"): item for name, item in entry.items()}
        users[user_id] = entry


def _agents(imported: Imported, key: str, value: Any) -> None:
    imported.private["agents"] = {path: _text(password) for path, password in value.items()}


def _subagents(imported: Imported, key: str, value: Any) -> None:
    imported.private["subagents"] = {subagent_id: _text(password) for subagent_id, password in value.items()}


def _trusted_keys(imported: Imported, key: str, value: Any) -> None:
    place = Path(_text(value))
    files = sorted(place.iterdir()) if place.is_dir() else [place] if place.is_file() else []
    for file in files:
        if b"-----BEGIN CERTIFICATE-----" in file.read_bytes():
            imported.trusted_certificates.append(file)
        else:
            imported.note(key, f"{file} is no PEM certificate and was left out")
    if not imported.trusted_certificates:
        imported.note(key, f"no certificate was found in {place}; put PEM files into DATA/private/trusted-x509-keys")


def _says(text: str) -> Rule:
    def rule(imported: Imported, key: str, value: Any) -> None:
        imported.note(key, text)

    return rule


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("a text is expected")
    return value


def _texts(value: Any) -> list[str]:
    return [_text(item) for item in (value if isinstance(value, list) else [value])]


def _boolean(value: Any) -> bool:
    truth = {"on": True, "yes": True, "true": True, "off": False, "no": False, "false": False}
    try:
        return truth[str(value).lower()]
    except KeyError:
        raise ValueError("on or off is expected") from None


def _seconds(value: Any) -> float:
    """HOCON durations. A number alone is refused, because its unit would be a guess."""
    match = _DURATION.fullmatch(str(value).strip())
    if match is not None:
        return float(match[1]) * _UNITS[match[2] or match[3]]
    # pyhocon makes a period of what looks like one: of which type depends on what is installed beside it.
    if isinstance(value, str | int | float) or getattr(value, "months", None) or getattr(value, "years", None):
        raise ValueError("a duration with its unit is expected, such as 3s or 1 hour")
    duration: timedelta = _MOMENT + value - _MOMENT
    return duration.total_seconds()


def _bytes(value: Any) -> int:
    match = _SIZE.fullmatch(str(value).strip())
    if match is None:
        raise ValueError("a size such as 1GB or 8 Ki is expected")
    power = " kmgt".index((match[2] or " ").lower())
    return int(float(match[1]) * (1024 if match[3] else 1000) ** power)


_RULES: dict[str, Rule] = {
    "controller:js7.controller.id": _set("id", _text),
    "js7.auth.users": _users,
    "controller:js7.auth.agents": _agents,
    "agent:js7.auth.subagents": _subagents,
    "agent:js7.subagent-driver.heartbeat": _set("subagent_driver.heartbeat_seconds", _seconds),
    "agent:js7.subagent-driver.heartbeat-timeout": _set("subagent_driver.heartbeat_timeout_seconds", _seconds),
    "agent:js7.subagent-driver.reset-timeout": _set("subagent_driver.reset_timeout_seconds", _seconds),
    "js7.auth.cluster.password": _says("Controller pairs come with a later release; left out"),
    "js7.auth.session.timeout": _set("web.session_timeout_seconds", _seconds),
    "js7.web.server.auth.invalid-authentication-delay": _set("web.invalid_authentication_delay_seconds", _seconds),
    "js7.web.server.auth.https-client-authentication": _set("web.client_authentication", _boolean),
    "js7.web.server.auth.public": _set("web.public", _boolean),
    "js7.web.server.auth.loopback-is-public": _set("web.loopback_is_public", _boolean),
    "js7.web.server.auth.get-is-public": _set("web.get_is_public", _boolean),
    "js7.web.https.keystore.file": _file("web.certificate"),
    "js7.web.https.keystore.store-password": _says(
        "key files without a password are expected, protected by their mode"
    ),
    "js7.web.https.keystore.key-password": _says("key files without a password are expected, protected by their mode"),
    "controller:js7.web.https.client-keystore.file": _file("client_certificate"),
    "js7.web.https.client-keystore.store-password": _says("key files without a password are expected"),
    "controller:js7.web.https.truststores": _both(
        _file("web.trust", in_list=True), _file("client_trust", in_list=True)
    ),
    "agent:js7.web.https.client-keystore.file": _file("client.certificate"),
    "agent:js7.web.https.truststores": _both(_file("web.trust", in_list=True), _file("client.trust", in_list=True)),
    "js7.configuration.trusted-signature-keys.X509": _trusted_keys,
    "js7.configuration.trusted-signature-keys.PGP": _says("PGP signatures are not verified; sign with X.509"),
    "js7.configuration.trusted-signature-keys.Silly": _says("a signature without cryptography; sign with X.509"),
    "js7.configuration.allow-expired-certificates": _says("dates of signing certificates are never looked at"),
    "js7.journal.sync": _says("the journal is always synced before anything is acknowledged"),
    "js7.journal.sync-delay": _says("what arrives during a sync is one batch; there is nothing to set"),
    "js7.journal.delay": _says("what arrives during a sync is one batch; there is nothing to set"),
    "js7.journal.snapshot.period": _set("journal.snapshot_period_seconds", _seconds),
    "js7.journal.snapshot.when-bigger-than": _set("journal.snapshot_when_bigger_than", _bytes),
    "js7.journal.release-events-delay": _set("journal.release_events_delay_seconds", _seconds),
    "controller:js7.journal.users-allowed-to-release-events": _set("journal.users_allowed_to_release_events", _texts),
    "agent:js7.job.execution.signed-script-injection-allowed": _set("jobs.signed_script_injection_allowed", _boolean),
    "agent:js7.job.execution.encoding": _set("jobs.encoding", _text),
    "agent:js7.job.execution.sigkill-delay": _set("jobs.sigkill_delay_seconds", _seconds),
}


# --- writing TOML ----------------------------------------------------------------------------------------------------


def _toml(values: Mapping[str, Any]) -> str:
    """TOML of nested mappings, texts, numbers, Booleans and lists."""
    return "\n".join(_table(values, ())).strip() + "\n"


def _table(values: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    scalars = {name: value for name, value in values.items() if not isinstance(value, Mapping)}
    if path and (scalars or not values):
        yield f"\n[{'.'.join(_key(name) for name in path)}]"
    for name, value in scalars.items():
        yield f"{_key(name)} = {_value(value)}"
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _table(value, (*path, name))


def _key(name: str) -> str:
    return name if re.fullmatch("[A-Za-z0-9_-]+", name) else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, str):
        # JSON's escapes are TOML's, but for DEL; characters beyond the BMP stand for themselves.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return json.dumps(value)
