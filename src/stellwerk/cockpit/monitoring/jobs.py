"""What a workflow in inventory spelling says about its jobs for monitoring alone (cockpit-services 1.2, 6.2). Pure.

Tolerant: a workflow that is deployed has been checked; what cannot be understood here warns of nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from stellwerk.language.jobs import ReturnCodes
from stellwerk.language.run_times import RunTime
from stellwerk.values.json import decode
from stellwerk.values.problems import ProblemError


class JobSettings(msgspec.Struct, frozen=True):
    """`mail_types` None: a job says nothing of its mails. Recipients of a job take the place of the fragment's."""

    longer: RunTime | None = None
    shorter: RunTime | None = None
    warns_of_output: bool = False
    warning_codes: ReturnCodes | None = None
    criticality: str = "NORMAL"
    mail_types: frozenset[str] | None = None
    mail_to: str | None = None
    mail_cc: str | None = None
    mail_bcc: str | None = None

    @property
    def warns(self) -> bool:
        """Something that ends well may be worth a warning."""
        codes = self.warning_codes is not None
        return self.longer is not None or self.shorter is not None or self.warns_of_output or codes


NO_SETTINGS = JobSettings()


def job_settings(workflow: str | None) -> dict[str, JobSettings]:
    """By name of the job; only those that say something."""
    content = decode(workflow) if workflow else None
    found: dict[str, JobSettings] = {}
    for name, job in _jobs(content):
        settings = _settings(job)
        if settings != NO_SETTINGS:
            found[name] = settings
    return found


def _jobs(content: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    jobs = content.get("jobs") if isinstance(content, dict) else None
    for name, job in jobs.items() if isinstance(jobs, dict) else ():
        if isinstance(job, dict):
            yield name, job


def _settings(job: Mapping[str, Any]) -> JobSettings:
    executable = job.get("executable")
    meaning = executable.get("returnCodeMeaning") if isinstance(executable, dict) else None
    meaning = meaning if meaning is not None else job.get("returnCodeMeaning")
    warning = meaning.get("warning") if isinstance(meaning, dict) else None
    notification = job.get("notification")
    notification = notification if isinstance(notification, dict) else {}
    types, mail = notification.get("types"), notification.get("mail")
    mail = mail if isinstance(mail, dict) else {}
    return JobSettings(
        longer=_run_time(job.get("warnIfLonger")),
        shorter=_run_time(job.get("warnIfShorter")),
        warns_of_output=job.get("warnOnErrWritten") is True,
        warning_codes=_codes(warning),
        criticality=str(job.get("criticality") or "NORMAL").upper(),
        mail_types=frozenset(str(type_).upper() for type_ in types) if isinstance(types, list) else None,
        mail_to=mail.get("to") or None,
        mail_cc=mail.get("cc") or None,
        mail_bcc=mail.get("bcc") or None,
    )


def _run_time(value: Any) -> RunTime | None:
    try:
        return None if value in (None, "") else RunTime.parse(str(value))
    except ProblemError:
        return None


def _codes(value: Any) -> ReturnCodes | None:
    try:
        return None if value in (None, "", []) else ReturnCodes.parse(value)
    except ProblemError:
        return None
