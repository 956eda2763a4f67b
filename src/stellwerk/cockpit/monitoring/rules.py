"""Observation → what is to be notified of, and to whom (cockpit-services 6.2). Pure.

What matches no `Notification` is noted all the same, under the empty id and told to nobody, so that the list of alerts
is complete whatever is configured.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec

from stellwerk.cockpit.monitoring.configuration import NotificationConfiguration, Rule
from stellwerk.cockpit.monitoring.jobs import JobSettings
from stellwerk.cockpit.monitoring.model import Range, Type, Warn
from stellwerk.cockpit.projection.model import FINISHED
from stellwerk.cockpit.projection.observations import ORDER, OUTPUT, TASK, Observation


class Finding(msgspec.Struct, frozen=True):
    """One thing worth telling."""

    type: Type
    range: Range
    warn: Warn = Warn.NONE
    text: str | None = None


class Notice(msgspec.Struct, frozen=True):
    """A finding for one `Notification` of the configuration; `rule` None: none asks for it."""

    finding: Finding
    rule: Rule | None

    @property
    def notification_id(self) -> str:
        return "" if self.rule is None else self.rule.notification_id


def findings(observation: Observation, settings: JobSettings, average_ms: int | None) -> list[Finding]:
    """What the observation is worth telling of. `average_ms`: of successful runs of the job."""
    if observation.kind == OUTPUT:
        if not settings.warns_of_output:
            return []
        text = f"Job has written to standard error: {(observation.message or '').strip()[:400]}"
        return [Finding(Type.WARNING, Range.WORKFLOW_JOB, Warn.STDERR, text)]
    if observation.kind == TASK:
        warnings = list(_warnings(observation, settings, average_ms))
        return [*_by_outcome(Range.WORKFLOW_JOB, is_error=observation.is_error), *warnings]
    if observation.kind == ORDER and (observation.is_error or observation.state == FINISHED.text):
        return _by_outcome(Range.WORKFLOW, is_error=observation.is_error)
    return []


def _by_outcome(range_: Range, *, is_error: bool) -> list[Finding]:
    types = [Type.ERROR] if is_error else [Type.RECOVERED, Type.SUCCESS]
    return [Finding(type_, range_) for type_ in types]


def _warnings(observation: Observation, settings: JobSettings, average_ms: int | None) -> Iterator[Finding]:
    duration = observation.time_ms - (observation.started or observation.time_ms)
    longer = longer_than(settings, average_ms, duration)
    if longer is not None:
        yield longer
    shortest = settings.shorter.limit_ms(average_ms) if settings.shorter is not None else None
    if shortest is not None and duration < shortest and not observation.is_error:
        text = f"Job ran {duration_text(duration)}, shorter than the expected {duration_text(shortest)}"
        yield Finding(Type.WARNING, Range.WORKFLOW_JOB, Warn.SHORTER_THAN, text)
    code = observation.return_code
    if code is not None and settings.warning_codes is not None and code in settings.warning_codes:
        text = f"Job ended with return code {code}, which is a warning"
        yield Finding(Type.WARNING, Range.WORKFLOW_JOB, Warn.RETURN_CODE, text)


def longer_than(settings: JobSettings, average_ms: int | None, duration_ms: int) -> Finding | None:
    """Of a job that has been running for so long, or did."""
    longest = settings.longer.limit_ms(average_ms) if settings.longer is not None else None
    if longest is None or duration_ms <= longest:
        return None
    text = f"Job runs longer than the expected {duration_text(longest)}"
    return Finding(Type.WARNING, Range.WORKFLOW_JOB, Warn.LONGER_THAN, text)


def late(late_ms: int) -> Finding:
    """Of an order that should have started so long ago."""
    text = f"Order is overdue by {duration_text(late_ms)} and has not started"
    return Finding(Type.WARNING, Range.WORKFLOW, Warn.LATE, text)


def notices(
    finding: Finding,
    configuration: NotificationConfiguration,
    controller_id: str,
    path: str,
    observation: Observation,
    settings: JobSettings,
    failed_before: Collection[str],
) -> list[Notice]:
    """To whom a finding goes. `failed_before`: ids under which the order's last notification of this range is an ERROR.

    RECOVERED goes to whoever was told of the error, whatever the configuration has become since.
    """
    if finding.type is Type.RECOVERED:
        known = {rule.notification_id: rule for rule in configuration.rules}
        # One that has been removed since recovers like one that tells nobody.
        return [Notice(finding, known.get(id_) or (Rule(id_, frozenset()) if id_ else None)) for id_ in failed_before]
    if finding.range is Range.WORKFLOW:
        matching = [rule for rule in configuration.rules if rule.matches_order(controller_id, path)]
    else:
        job, label, code = observation.job, observation.label, observation.return_code
        matching = [
            rule
            for rule in configuration.rules
            if rule.matches_task(controller_id, path, job, label, settings.criticality, code)
        ]
    found = [Notice(finding, rule) for rule in matching if rule.wants(finding.type)]
    return found or ([] if finding.type is Type.SUCCESS else [Notice(finding, None)])


def duration_text(milliseconds: int) -> str:
    """`1:02:03`, `2:03` or `3.5 s`."""
    seconds, rest = divmod(max(milliseconds, 0), 1000)
    if seconds < 60:
        return f"{seconds + rest / 1000:g} s"
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
