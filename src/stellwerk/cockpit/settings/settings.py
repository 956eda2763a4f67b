"""`Settings`: what an administrator sets for the whole Cockpit, at once and on all members (cockpit-services 8).

Only what differs from the catalogue is stored. Values are texts; readers ask for the type they need. Whoever keeps
something derived from a setting is told of each change (`on_change`).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.database.news import News
from stellwerk.cockpit.settings.catalogue import SECTIONS, Entry, check, duration_seconds
from stellwerk.cockpit.settings.configurations import Configurations, Key
from stellwerk.values.json import decode, encode

TOPIC = "settings"
KEY = Key(configuration_type="GLOBALS", account=".")

#: Section → entry (a child: `parent.child`) → text.
Values = dict[str, dict[str, str]]


class Settings:
    """A `Service`: reads the stored values at its start, and again when another member has stored some."""

    def __init__(self, configurations: Configurations, news: News) -> None:
        self._configurations = configurations
        self._news = news
        self._values: Values = {}
        self._listeners: list[Callable[[], None]] = []
        news.subscribe(TOPIC, self._heard, self._load)

    async def start(self) -> None:
        await self._load()

    async def stop(self) -> None:
        """Nothing to stop."""

    def on_change(self, listener: Callable[[], None]) -> None:
        """`listener()` after the values have been read or changed."""
        self._listeners.append(listener)

    # --- values

    def text(self, section: str, name: str) -> str | None:
        """The value set, else the default; None: nothing is set."""
        return self._values.get(section, {}).get(name, _entry(section, name).default)

    def boolean(self, section: str, name: str) -> bool:
        return self.text(section, name) == "true"

    def integer(self, section: str, name: str) -> int:
        return int(self.text(section, name) or 0)

    def seconds(self, section: str, name: str) -> int:
        return duration_seconds(self.text(section, name) or "0")

    def texts(self, section: str, name: str) -> list[str]:
        """The elements of an ARRAY."""
        return [part for part in (self.text(section, name) or "").split(";") if part]

    # --- for the API

    def document(self) -> dict[str, Any]:
        """All settings with their present values, as they are stored and sent."""
        return {
            section: {
                "ordering": number,
                **{
                    name: self._shown(section, name, entry, ordering)
                    for ordering, (name, entry) in enumerate(entries.items())
                },
            }
            for number, (section, entries) in enumerate(SECTIONS.items())
        }

    def _shown(self, section: str, name: str, entry: Entry, ordering: int) -> dict[str, Any]:
        shown: dict[str, Any] = {"value": self.text(section, name), "ordering": ordering}
        if entry.children:
            shown["children"] = {
                child: {"value": self.text(section, f"{name}.{child}"), "ordering": number}
                for number, child in enumerate(entry.children)
            }
        return shown

    async def store(self, document: Any) -> int:
        """Replace all settings by those of a document; what it leaves out gets its default. Gives the id of the row.

        Values are given as `{"section": {"entry": {"value": …}}}` or plainly, `{"section": {"entry": …}}`. Raises
        `BadRequest` naming each entry that is unknown or has a value that it cannot have; then nothing is changed.
        """
        values = _read(document)
        changed = {
            section: {
                name: {"value": value} for name, value in entries.items() if value != _entry(section, name).default
            }
            for section, entries in values.items()
        }
        stored = {section: entries for section, entries in changed.items() if entries}
        id_ = await self._configurations.save(KEY, encode(stored).decode())
        await self._load()
        await self._news.tell(TOPIC)
        return id_

    # --- inside

    async def _heard(self, value: Any) -> None:
        await self._load()

    async def _load(self) -> None:
        found = await self._configurations.find(KEY)
        stored: Mapping[str, Mapping[str, Any]] = {} if found is None else decode(found.configuration_item)
        # What another release has stored and this one does not know is left alone.
        self._values = {
            section: {name: entry["value"] for name, entry in entries.items() if _find_entry(section, name) is not None}
            for section, entries in stored.items()
            if section in SECTIONS
        }
        for listener in self._listeners:
            listener()


def _find_entry(section: str, name: str) -> Entry | None:
    parent, _, child = name.partition(".")
    entry = SECTIONS[section].get(parent)
    return entry if entry is None or not child else entry.children.get(child)


def _entry(section: str, name: str) -> Entry:
    entry = _find_entry(section, name)
    if entry is None:
        raise LookupError(f"there is no setting {section}.{name}")
    return entry


def _read(document: Any) -> Values:
    if not isinstance(document, dict):
        raise BadRequest("configurationItem must be a JSON object of sections")
    faults: list[str] = []
    values: Values = {}
    names = {section.lower(): section for section in SECTIONS}
    for given, entries in document.items():
        section = names.get(given.lower())
        if section is None:
            faults.append(f"there is no section '{given}'{_nearest(given, SECTIONS)}")
        elif not isinstance(entries, dict):
            faults.append(f"{section} must be an object of entries")
        else:
            values[section] = dict(_read_entries(section, SECTIONS[section], entries, "", faults))
    if faults:
        raise BadRequest("settings: " + "; ".join(faults))
    return values


def _read_entries(
    section: str, known: Mapping[str, Entry], entries: Mapping[str, Any], prefix: str, faults: list[str]
) -> Iterable[tuple[str, str]]:
    for name, given in entries.items():
        if name == "ordering" and not isinstance(given, dict):
            continue
        entry = known.get(name)
        if entry is None:
            faults.append(f"{section} has no entry '{prefix}{name}'{_nearest(name, known)}")
            continue
        value = given
        if isinstance(given, dict):
            value = given.get("value")
            children = given.get("children")
            if isinstance(children, dict):
                yield from _read_entries(section, entry.children, children, f"{prefix}{name}.", faults)
        if value is None:
            continue  # as if left out
        if isinstance(value, list | dict):
            faults.append(f"{section}.{prefix}{name} must be one value")
            continue
        text = str(value).lower() if isinstance(value, bool) else str(value)
        try:
            check(entry, text)
        except ValueError as fault:
            faults.append(f"{section}.{prefix}{name}: '{text}' {fault}")
            continue
        yield prefix + name, text


def _nearest(name: str, known: Iterable[str]) -> str:
    nearest = difflib.get_close_matches(name, list(known), 1, 0.0)
    return f"; did you mean '{nearest[0]}'?" if nearest else ""
