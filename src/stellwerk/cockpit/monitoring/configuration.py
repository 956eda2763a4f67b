"""Who wants to know what, and how: the XML document of cockpit-services 6.3 as values. Pure.

Beyond the reference's form there are `WebhookFragment` (an HTTP POST of JSON), a `Command` that is a list of
`Argument`s and runs without a shell, and `Notifications/@late_after`. JMS and NSCA are not there: a configuration that
uses them is refused with a word on what to use instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NoReturn
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from stellwerk.cockpit.monitoring.model import Type
from stellwerk.cockpit.monitoring.xml_tree import Element, XmlError, read_xml
from stellwerk.language.expressions import ExpressionError
from stellwerk.language.expressions.java_regex import java_regex

DEFAULT_ZONE = "Etc/UTC"
DEFAULT_LATE_SECONDS = 900
_CRITICALITIES = ("ALL", "NORMAL", "CRITICAL", "MINOR", "MAJOR")
#: Types that an element can ask for. RECOVERED belongs to who asks for ERROR.
_TYPES = ("ERROR", "WARNING", "SUCCESS")


class Monitor(msgspec.Struct, frozen=True, kw_only=True):
    """One channel as a fragment describes it; texts may hold placeholders. `kind`: MAIL, COMMAND, WEBHOOK."""

    kind: str
    name: str
    message: str = ""
    time_zone: str = DEFAULT_ZONE
    # mail
    subject: str = ""
    sender: str | None = None
    to: str | None = None
    cc: str | None = None
    bcc: str | None = None
    content_type: str = "text/plain"
    charset: str = "UTF-8"
    priority: str = "Normal"
    job_resources: tuple[str, ...] = ()
    # command: a text for the shell, or arguments
    command: str = ""
    arguments: tuple[str, ...] = ()
    # webhook
    url: str = ""


class JobObject(msgspec.Struct, frozen=True):
    """A `WorkflowJob`; regular expressions, None = all."""

    name: str | None = None
    label: str | None = None
    criticalities: frozenset[str] = frozenset({"ALL"})
    return_code_from: int | None = None
    return_code_to: int | None = None

    def matches(self, job: str, label: str | None, criticality: str, return_code: int | None) -> bool:
        if not _fits(self.name, job) or not _fits(self.label, label or ""):
            return False
        if "ALL" not in self.criticalities and criticality not in self.criticalities:
            return False
        if self.return_code_from is None and self.return_code_to is None:
            return True
        if return_code is None:
            return False
        low = self.return_code_from is None or self.return_code_from <= return_code
        return low and (self.return_code_to is None or return_code <= self.return_code_to)


class WorkflowObject(msgspec.Struct, frozen=True):
    """A `Workflow` with the Controller of the `Workflows` around it."""

    controller_id: str | None = None
    path: str | None = None
    jobs: tuple[JobObject, ...] = ()


class Rule(msgspec.Struct, frozen=True):
    """A `Notification`."""

    notification_id: str
    types: frozenset[str]
    monitors: tuple[Monitor, ...] = ()
    workflows: tuple[WorkflowObject, ...] = ()

    def wants(self, type_: Type) -> bool:
        return ("ERROR" if type_ in (Type.RECOVERED, Type.ACKNOWLEDGED) else type_.name) in self.types

    def matches_order(self, controller_id: str, path: str) -> bool:
        """The first `Workflow` that fits and has no jobs decides (cockpit-services 6.3)."""
        return any(self._fits(one, controller_id, path) and not one.jobs for one in self.workflows)

    def matches_task(
        self, controller_id: str, path: str, job: str, label: str | None, criticality: str, return_code: int | None
    ) -> bool:
        for one in self.workflows:
            if not self._fits(one, controller_id, path):
                continue
            if not one.jobs:
                return False
            if any(wanted.matches(job, label, criticality, return_code) for wanted in one.jobs):
                return True
        return False

    @staticmethod
    def _fits(one: WorkflowObject, controller_id: str, path: str) -> bool:
        return _fits(one.controller_id, controller_id) and _fits(one.path, path)


class SystemRule(msgspec.Struct, frozen=True):
    """The `SystemNotification`."""

    types: frozenset[str]
    monitors: tuple[Monitor, ...] = ()


class NotificationConfiguration(msgspec.Struct, frozen=True):
    """What has been released."""

    rules: tuple[Rule, ...] = ()
    system: SystemRule | None = None
    monitors: tuple[Monitor, ...] = ()
    late_after_seconds: int = DEFAULT_LATE_SECONDS

    @property
    def wants_successes(self) -> bool:
        return any("SUCCESS" in rule.types for rule in self.rules)

    def monitor(self, name: str) -> Monitor | None:
        """The fragment of this name."""
        return next((monitor for monitor in self.monitors if monitor.name == name), None)


#: Before anybody has released one: everything is seen, nobody is sent anything.
NOTHING_CONFIGURED = NotificationConfiguration()


def _fits(pattern: str | None, text: str) -> bool:
    try:
        return pattern is None or java_regex(pattern).matches(text)
    except ExpressionError:  # it takes too long: rather one message too many than none
        return True


def read_configuration(xml: str) -> NotificationConfiguration:
    """Raises `XmlError` with the line of what is wrong."""
    return _Reader(read_xml(xml)).read()


class _Reader:
    def __init__(self, root: Element) -> None:
        if root.name != "Configurations":
            raise XmlError(f"the root element must be Configurations, not {root.name}", root.line)
        self._root = root
        self._messages: dict[str, tuple[str, str]] = {}
        self._monitors: dict[tuple[str, str], Monitor] = {}
        self._objects: dict[str, tuple[WorkflowObject, ...]] = {}

    def read(self) -> NotificationConfiguration:
        for fragments in self._root.all("Fragments"):
            for group in fragments.all("MessageFragments"):
                self._read_messages(group)
            for group in fragments.all("MonitorFragments"):
                for fragment in group.children:
                    monitor = self._monitor(fragment)
                    self._monitors[fragment.name, monitor.name] = monitor
            for group in fragments.all("ObjectFragments"):
                for workflows in group.all("Workflows"):
                    self._objects[_name(workflows)] = self._workflows(workflows)
        rules: list[Rule] = []
        system: SystemRule | None = None
        late = DEFAULT_LATE_SECONDS
        for group in self._root.all("Notifications"):
            late = self._late(group, late)
            for element in group.all("Notification"):
                rules.append(self._rule(element, len(rules) + 1))
            for element in group.all("SystemNotification"):
                system = SystemRule(_types(element, _TYPES[:2]), self._refs(element))
        if len({rule.notification_id for rule in rules}) < len(rules):
            raise XmlError("each Notification needs a notification_id of its own", self._root.line)
        return NotificationConfiguration(tuple(rules), system, tuple(self._monitors.values()), late)

    def _read_messages(self, group: Element) -> None:
        zone = _zone(group, DEFAULT_ZONE)
        for message in group.all("Message"):
            self._messages[_name(message)] = (message.text.strip(), _zone(message, zone))

    def _monitor(self, fragment: Element) -> Monitor:
        read = _FRAGMENTS.get(fragment.name)
        if read is None:
            known = ", ".join(_FRAGMENTS)
            remedy = f"{fragment.name} is not supported; use one of {known}"
            raise XmlError(remedy, fragment.line)
        reference = fragment.first("MessageRef")
        text, zone = "", DEFAULT_ZONE
        if reference is not None:
            name = reference.attributes.get("ref", "")
            if name not in self._messages:
                raise XmlError(f"MessageRef: there is no Message '{name}'", reference.line)
            text, zone = self._messages[name]
        monitor = read(fragment)
        return msgspec.structs.replace(monitor, message=text, time_zone=zone)

    def _workflows(self, element: Element) -> tuple[WorkflowObject, ...]:
        controller_id = _pattern(element, "controller_id")
        return tuple(
            WorkflowObject(controller_id, _pattern(workflow, "path"), tuple(map(_job, workflow.all("WorkflowJob"))))
            for workflow in element.all("Workflow")
        )

    def _rule(self, element: Element, number: int) -> Rule:
        workflows: list[WorkflowObject] = []
        for objects in element.all("NotificationObjects"):
            for reference in objects.all("WorkflowsRef"):
                name = reference.attributes.get("ref", "")
                if name not in self._objects:
                    raise XmlError(f"WorkflowsRef: there are no Workflows '{name}'", reference.line)
                workflows += self._objects[name]
        if not workflows:
            raise XmlError("a Notification needs NotificationObjects with a WorkflowsRef", element.line)
        id_ = element.attributes.get("notification_id") or f"notification {number}"
        return Rule(id_, _types(element, _TYPES), self._refs(element), tuple(workflows))

    def _refs(self, element: Element) -> tuple[Monitor, ...]:
        found: list[Monitor] = []
        for monitors in element.all("NotificationMonitors"):
            for reference in monitors.children:
                kind, name = reference.name.removesuffix("Ref"), reference.attributes.get("ref", "")
                monitor = self._monitors.get((kind, name))
                if monitor is None:
                    raise XmlError(f"{reference.name}: there is no {kind} '{name}'", reference.line)
                found.append(monitor)
        return tuple(found)

    @staticmethod
    def _late(group: Element, default: int) -> int:
        text = group.attributes.get("late_after")
        if text is None:
            return default
        match = re.fullmatch(r"(\d+)([smh]?)", text)
        if match is None:
            raise XmlError(f"late_after: '{text}' is no duration; write 900s, 15m or 1h", group.line)
        return int(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def _command(fragment: Element) -> Monitor:
    command = fragment.first("Command")
    if command is None:
        raise XmlError("a CommandFragment needs a Command", fragment.line)
    arguments = tuple(argument.text for argument in command.all("Argument"))
    text = command.text.strip()
    if bool(arguments) == bool(text):
        raise XmlError("a Command is either a text for the shell or a list of Argument elements", command.line)
    return Monitor(kind="COMMAND", name=_name(fragment), command=text, arguments=arguments)


def _mail(fragment: Element) -> Monitor:
    def text(name: str) -> str | None:
        child = fragment.first(name)
        return (child.text.strip() or None) if child is not None else None

    attributes = fragment.attributes
    return Monitor(
        kind="MAIL",
        name=_name(fragment),
        subject=text("Subject") or "",
        sender=text("From"),
        to=text("To"),
        cc=text("CC"),
        bcc=text("BCC"),
        content_type=attributes.get("content_type", "text/plain"),
        charset=attributes.get("charset", "UTF-8"),
        priority=attributes.get("priority", "Normal"),
        job_resources=tuple(part for part in re.split(r"[;,\s]+", attributes.get("job_resources", "")) if part),
    )


def _webhook(fragment: Element) -> Monitor:
    url = fragment.attributes.get("url", "")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise XmlError("a WebhookFragment needs a url that begins with https:// or http://", fragment.line)
    return Monitor(kind="WEBHOOK", name=_name(fragment), url=url)


_FRAGMENTS: dict[str, Callable[[Element], Monitor]] = {
    "MailFragment": _mail,
    "CommandFragment": _command,
    "WebhookFragment": _webhook,
}


def _job(element: Element) -> JobObject:
    given = {part.upper() for part in re.split(r"[\s,]+", element.attributes.get("criticality", "ALL")) if part}
    if unknown := given - set(_CRITICALITIES):
        raise XmlError(f"criticality: unknown {', '.join(sorted(unknown))}", element.line)
    return JobObject(
        _pattern(element, "name"),
        _pattern(element, "label"),
        frozenset(given),
        _integer(element, "return_code_from"),
        _integer(element, "return_code_to"),
    )


def _name(element: Element) -> str:
    name = element.attributes.get("name")
    if not name:
        raise XmlError(f"{element.name} needs a name", element.line)
    return name


def _types(element: Element, known: tuple[str, ...]) -> frozenset[str]:
    types = frozenset(element.attributes.get("type", "ERROR WARNING").upper().split())
    if unknown := types - set(known):
        raise XmlError(f"type: unknown {', '.join(sorted(unknown))}; known: {', '.join(known)}", element.line)
    return types


def _zone(element: Element, default: str) -> str:
    name = element.attributes.get("time_zone") or default
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise XmlError(f"time_zone: there is no time zone '{name}'", element.line) from None
    return name


def _pattern(element: Element, name: str) -> str | None:
    pattern = element.attributes.get(name) or None
    if pattern is not None:
        try:
            java_regex(pattern)
        except ExpressionError as error:
            _refuse(element, name, str(error))
    return pattern


def _integer(element: Element, name: str) -> int | None:
    text = element.attributes.get(name)
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        _refuse(element, name, f"'{text}' is no number")


def _refuse(element: Element, name: str, why: str) -> NoReturn:
    raise XmlError(f"{element.name}, {name}: {why}", element.line)
