"""What is told, and to whom (cockpit-services 6.2, 6.3): all of it pure."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from monitoring_samples import configuration, order, output, read, rule, task

from stellwerk.cockpit.monitoring.availability import Period, entries
from stellwerk.cockpit.monitoring.components import component
from stellwerk.cockpit.monitoring.configuration import (
    JobObject,
    NotificationConfiguration,
    Rule,
    WorkflowObject,
    read_configuration,
)
from stellwerk.cockpit.monitoring.jobs import NO_SETTINGS, JobSettings, job_settings
from stellwerk.cockpit.monitoring.model import Category, Range, Type, Warn
from stellwerk.cockpit.monitoring.rules import Finding, duration_text, findings, late, longer_than, notices
from stellwerk.cockpit.monitoring.xml_tree import XmlError
from stellwerk.cockpit.projection.observations import AGENT, CONTROLLER, PAIR, SUBAGENT, Observation
from stellwerk.language.jobs import ReturnCodes
from stellwerk.language.run_times import RunTime
from stellwerk.values.problems import ProblemError

TASK, ORDER = Range.WORKFLOW_JOB, Range.WORKFLOW


def kinds(found: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.type.name, finding.warn.name) for finding in found]


# --- run times


@pytest.mark.parametrize(
    ("text", "average_ms", "limit_ms"),
    [
        ("01:02:03", None, 3_723_000),
        ("02:03", None, 123_000),
        ("90:00", None, 5_400_000),
        ("90s", None, 90_000),
        ("90", None, 90_000),
        ("1.5s", None, 1_500),
        (" 5 ", None, 5_000),
        ("120%", 10_000, 12_000),
        ("50%", 10_000, 5_000),
        ("120%", None, None),
        ("120%", 0, None),
        ("0", None, 0),
    ],
)
def test_run_times(text: str, average_ms: int | None, limit_ms: int | None) -> None:
    assert RunTime.parse(text).limit_ms(average_ms) == limit_ms


@pytest.mark.parametrize("text", ["", "soon", "1:2:3:4", "-1", "10 m", "1:60:00", "%", "1:99", "0x10"])
def test_what_is_no_run_time_is_refused(text: str) -> None:
    with pytest.raises(ProblemError, match="no run time"):
        RunTime.parse(text)


# --- what a job says


def test_settings_of_jobs_are_read_from_the_workflow() -> None:
    job: dict[str, Any] = {
        "executable": {"TYPE": "ShellScriptExecutable", "script": "", "returnCodeMeaning": {"warning": "3,5..7"}},
        "warnIfLonger": "120%",
        "warnIfShorter": "00:00:05",
        "warnOnErrWritten": True,
        "criticality": "critical",
        "notification": {"types": ["error"], "mail": {"to": "a@b", "cc": "c@d"}},
    }
    plain = {"executable": {"TYPE": "ShellScriptExecutable", "script": ""}}
    [(name, settings)] = job_settings(json.dumps({"jobs": {"load": job, "plain": plain}})).items()
    assert name == "load"
    assert settings == JobSettings(
        longer=RunTime(percent=120),
        shorter=RunTime(seconds=5),
        warns_of_output=True,
        warning_codes=ReturnCodes.parse("3,5..7"),
        criticality="CRITICAL",
        mail_types=frozenset({"ERROR"}),
        mail_to="a@b",
        mail_cc="c@d",
    )
    assert settings.warns and not NO_SETTINGS.warns


@pytest.mark.parametrize(
    "workflow",
    [None, "[]", "{}", '{"jobs":[]}', '{"jobs":{"a":1}}', '{"jobs":{"a":{"warnIfLonger":"soon","executable":7}}}'],
)
def test_what_cannot_be_understood_warns_of_nothing(workflow: str | None) -> None:
    assert job_settings(workflow) == {}


# --- findings


def test_a_failed_task_is_an_error_and_one_that_succeeds_recovers() -> None:
    assert kinds(findings(task(is_error=True), NO_SETTINGS, None)) == [("ERROR", "NONE")]
    assert kinds(findings(task(), NO_SETTINGS, None)) == [("RECOVERED", "NONE"), ("SUCCESS", "NONE")]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("FAILED", ["ERROR"]),
        ("BROKEN", ["ERROR"]),
        ("FINISHED", ["RECOVERED", "SUCCESS"]),
        ("CANCELLED", []),
        ("SCHEDULED", []),
    ],
)
def test_orders_by_their_state(state: str, expected: list[str]) -> None:
    found = findings(order(state), NO_SETTINGS, None)
    assert [finding.type.name for finding in found] == expected
    assert all(finding.range is ORDER for finding in found)


_MATRIX = list(itertools.product((4, 5, 6), (False, True), (None, 5_000, 20_000)))


@pytest.mark.parametrize(("seconds", "is_error", "average_ms"), _MATRIX)
def test_longer_and_shorter_than_expected(seconds: int, is_error: bool, average_ms: int | None) -> None:
    seen = task(seconds=seconds, is_error=is_error)

    def warned(settings: JobSettings) -> set[Warn]:
        return {finding.warn for finding in findings(seen, settings, average_ms) if finding.type is Type.WARNING}

    assert (Warn.LONGER_THAN in warned(JobSettings(longer=RunTime(seconds=5)))) == (seconds > 5)
    assert (Warn.SHORTER_THAN in warned(JobSettings(shorter=RunTime(seconds=5)))) == (seconds < 5 and not is_error)
    is_longer = average_ms is not None and seconds * 1000 > average_ms
    assert (Warn.LONGER_THAN in warned(JobSettings(longer=RunTime(percent=100)))) == is_longer
    is_shorter = average_ms is not None and seconds * 1000 < average_ms and not is_error
    assert (Warn.SHORTER_THAN in warned(JobSettings(shorter=RunTime(percent=100)))) == is_shorter


def test_return_codes_and_output_may_be_warnings() -> None:
    settings = JobSettings(warning_codes=ReturnCodes.parse("3"), warns_of_output=True)
    assert ("WARNING", "RETURN_CODE") in kinds(findings(task(return_code=3), settings, None))
    assert ("WARNING", "RETURN_CODE") not in kinds(findings(task(return_code=4), settings, None))
    [finding] = findings(output("oops\n"), settings, None)
    assert (finding.warn, finding.text) == (Warn.STDERR, "Job has written to standard error: oops")
    assert findings(output("oops"), NO_SETTINGS, None) == []


def test_a_job_that_still_runs_and_a_late_order() -> None:
    settings = JobSettings(longer=RunTime(seconds=60))
    assert longer_than(settings, None, 60_000) is None
    finding = longer_than(settings, None, 60_001)
    assert finding is not None and finding.text == "Job runs longer than the expected 1:00"
    assert late(3_723_000) == Finding(Type.WARNING, ORDER, Warn.LATE, "Order is overdue by 1:02:03 and has not started")
    assert [duration_text(ms) for ms in (0, 3_500, 60_000, 3_600_000, -5)] == ["0 s", "3.5 s", "1:00", "1:00:00", "0 s"]


# --- to whom


def told(
    found: Finding, configured: NotificationConfiguration, seen: Observation, failed_before: tuple[str, ...] = ()
) -> list[str]:
    list_ = notices(found, configured, "controller", "/etl/nightly", seen, NO_SETTINGS, failed_before)
    return [notice.notification_id for notice in list_]


def test_what_nobody_asks_for_is_noted_except_success() -> None:
    nothing = NotificationConfiguration()
    for type_ in (Type.ERROR, Type.WARNING):
        assert told(Finding(type_, TASK), nothing, task()) == [""]
    assert told(Finding(Type.SUCCESS, TASK), nothing, task()) == []


def test_types_decide_and_recovery_goes_to_who_was_told_of_the_error() -> None:
    configured = read(rule("errors", types="ERROR") + rule("all", types="SUCCESS ERROR WARNING") + rule("default"))
    seen = order("FAILED")
    assert told(Finding(Type.ERROR, ORDER), configured, seen) == ["errors", "all", "default"]
    assert told(Finding(Type.WARNING, ORDER), configured, seen) == ["all", "default"]
    assert told(Finding(Type.SUCCESS, ORDER), configured, seen) == ["all"]
    assert told(Finding(Type.RECOVERED, ORDER), configured, seen) == []
    assert told(Finding(Type.RECOVERED, ORDER), configured, seen, ("errors", "", "gone")) == ["errors", "", "gone"]


def test_workflows_without_jobs_are_for_orders_and_with_jobs_for_tasks() -> None:
    orders = read(rule(), workflows='<Workflow path="/etl/.*"/>')
    tasks = read(rule(), workflows='<Workflow path="/etl/.*"><WorkflowJob name="load"/></Workflow>')
    for_order, for_task = Finding(Type.ERROR, ORDER), Finding(Type.ERROR, TASK)
    assert told(for_order, orders, order("FAILED")) == ["n1"] and told(for_task, orders, task()) == [""]
    assert told(for_task, tasks, task()) == ["n1"] and told(for_order, tasks, order("FAILED")) == [""]


def test_the_first_workflow_without_jobs_ends_the_search_for_a_task() -> None:
    job = '<Workflow><WorkflowJob name="load"/></Workflow>'
    assert told(Finding(Type.ERROR, TASK), read(rule(), workflows="<Workflow/>" + job), task()) == [""]
    assert told(Finding(Type.ERROR, TASK), read(rule(), workflows=job + "<Workflow/>"), task()) == ["n1"]
    assert told(Finding(Type.ERROR, TASK), read(rule(), workflows='<Workflow path="/x"/>' + job), task()) == ["n1"]


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (JobObject(), True),
        (JobObject(name="lo.*"), True),
        (JobObject(name="lo"), False),
        (JobObject(label="load it"), True),
        (JobObject(label="load"), False),
        (JobObject(criticalities=frozenset({"CRITICAL"})), False),
        (JobObject(criticalities=frozenset({"CRITICAL", "NORMAL"})), True),
        (JobObject(return_code_from=1), True),
        (JobObject(return_code_from=2), False),
        (JobObject(return_code_to=1), True),
        (JobObject(return_code_to=0), False),
        (JobObject(return_code_from=1, return_code_to=1), True),
    ],
)
def test_jobs_by_name_label_criticality_and_return_code(wanted: JobObject, fits: bool) -> None:
    assert wanted.matches("load", "load it", "NORMAL", 1) == fits


def test_a_task_without_a_return_code_is_in_no_range() -> None:
    assert not JobObject(return_code_from=0).matches("load", None, "NORMAL", None)


def test_patterns_fit_the_whole_path_and_controller() -> None:
    def fits(**members: Any) -> bool:
        return Rule("n", frozenset(), (), (WorkflowObject(**members),)).matches_order("prod", "/etl/nightly")

    assert fits(path="/etl/nightly") and fits(controller_id="prod|test") and fits()
    assert not fits(path="/etl") and not fits(controller_id="pro")


# --- the configuration


def test_a_configuration_is_read_whole() -> None:
    monitors = """
      <MailFragment name="ops" job_resources="eMailDefault,eMailOps" content_type="text/html" priority="High">
        <MessageRef ref="M1"/><Subject>${MON_N_TYPE}</Subject><To>ops@example.com</To><CC> </CC></MailFragment>
      <CommandFragment name="page"><MessageRef ref="M1"/><Command>echo "$JS7_MON_O_ORDER_ID"</Command></CommandFragment>
      <CommandFragment name="list">
        <Command><Argument>logger</Argument><Argument>${MESSAGE}</Argument></Command></CommandFragment>
      <WebhookFragment name="chat" url="https://chat.example.com/hook"/>"""
    refs = '<MailFragmentRef ref="ops"/><WebhookFragmentRef ref="chat"/>'
    system = (
        f'<SystemNotification type="ERROR"><NotificationMonitors>{refs}</NotificationMonitors></SystemNotification>'
    )
    found = read(
        system + rule(monitors=refs + '<CommandFragmentRef ref="page"/>'),
        monitors=monitors,
        messages='<Message name="M1">Order ${MON_O_ORDER_ID}</Message>',
        attributes='late_after="1h" parallelism="3"',
    )
    mail, chat, page = found.rules[0].monitors
    assert (mail.kind, mail.job_resources, mail.to, mail.cc) == (
        "MAIL",
        ("eMailDefault", "eMailOps"),
        "ops@example.com",
        None,
    )
    assert (mail.message, mail.time_zone) == ("Order ${MON_O_ORDER_ID}", "Europe/Berlin")
    assert (chat.kind, chat.url) == ("WEBHOOK", "https://chat.example.com/hook")
    assert (page.kind, page.command) == ("COMMAND", 'echo "$JS7_MON_O_ORDER_ID"')
    assert found.monitor("list") is not None and found.monitor("list").arguments == ("logger", "${MESSAGE}")  # type: ignore[union-attr]
    assert found.system is not None and found.system.types == {"ERROR"} and len(found.system.monitors) == 2
    assert found.late_after_seconds == 3600
    assert not found.wants_successes and read(rule(types="SUCCESS")).wants_successes


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        ("", "no well-formed XML"),
        ("<a", "no well-formed XML"),
        ("<a/>", "root element must be Configurations"),
        ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><Configurations>&x;</Configurations>', "document type"),
        ("<a>" * 60, "nested too deeply"),
        (" " * 1_000_001, "1000000 characters"),
        (configuration(rule(workflows="X")), "there are no Workflows 'X'"),
        (configuration(rule() + rule()), "notification_id of its own"),
        (configuration(rule(types="LOUD")), "type: unknown LOUD"),
        (configuration(rule(monitors='<MailFragmentRef ref="x"/>')), "there is no MailFragment 'x'"),
        (configuration("", monitors='<JMSFragment name="j"/>'), "JMSFragment is not supported; use one of"),
        (configuration("", monitors='<WebhookFragment name="w" url="file:///etc/passwd"/>'), "begins with https"),
        (configuration("", monitors='<CommandFragment name="c"/>'), "needs a Command"),
        (configuration("", monitors='<CommandFragment name="c"><Command/></CommandFragment>'), "either a text"),
        (configuration("", monitors='<MailFragment name="m"><MessageRef ref="x"/></MailFragment>'), "no Message 'x'"),
        (configuration("", monitors="<MailFragment/>"), "MailFragment needs a name"),
        (configuration("", workflows='<Workflow path="("/>'), "Workflow, path"),
        (configuration("", workflows='<Workflow><WorkflowJob return_code_from="x"/></Workflow>'), "'x' is no number"),
        (configuration("", workflows='<Workflow><WorkflowJob criticality="X"/></Workflow>'), "unknown X"),
        (configuration("", messages='<Message name="m" time_zone="Mars/Base"/>'), "no time zone 'Mars/Base'"),
        (configuration("", attributes='late_after="soon"'), "late_after"),
        (
            "<Configurations><Notifications><Notification/></Notifications></Configurations>",
            "needs NotificationObjects",
        ),
    ],
)
def test_what_is_wrong_is_said(xml: str, message: str) -> None:
    with pytest.raises(XmlError, match=message):
        read_configuration(xml)


def test_the_line_of_a_mistake_is_said() -> None:
    with pytest.raises(XmlError) as raised:
        read_configuration("<Configurations>\n<Notifications>\n<Notification/></Notifications></Configurations>")
    assert raised.value.line == 3


# --- components and their availability


@pytest.mark.parametrize(
    ("kind", "source", "state", "type_", "category", "title"),
    [
        (AGENT, "a1", "COUPLINGFAILED", Type.ERROR, Category.AGENT, "Agent a1 is not coupled"),
        (AGENT, "a1", "SHUTDOWN", Type.WARNING, Category.AGENT, "Agent a1 has been shut down"),
        (SUBAGENT, "s1", "COUPLINGFAILED", Type.ERROR, Category.AGENT, "Subagent s1 is not coupled"),
        (CONTROLLER, "c", "SHUTDOWN", Type.WARNING, Category.CONTROLLER, "Controller c has been shut down"),
        (PAIR, "", "FailedOver", Type.ERROR, Category.CONTROLLER, "Controller pair c: Primary is lost, the other"),
        (PAIR, "a1", "NodeLossToBeConfirmed", Type.ERROR, Category.AGENT, "Directors of Agent a1: a person must"),
    ],
)
def test_what_happens_to_components(
    kind: str, source: str, state: str, type_: Type, category: Category, title: str
) -> None:
    found = component("c", Observation(kind, 1, 2, state, True, "Primary", source=source))
    assert found.occurrence is not None and found.occurrence.title.startswith(title)
    assert (found.type, found.category) == (type_, category)
    good = component("c", Observation(kind, 1, 2, "COUPLED", False, source=source))
    assert good.occurrence is None and good.resolved == (found.occurrence.fingerprint,)


def test_availability_is_cut_to_the_range_and_summed() -> None:
    day = 86_400_000
    periods = [
        Period(0, 1 * day),
        Period(2 * day, 3 * day, message="connection refused"),
        Period(4 * day, None),  # it never said that it ended, but another run began
        Period(5 * day, None),
    ]
    found = entries(periods, day // 2, 6 * day, 6 * day)
    assert [entry["totalRunningTime"] / day for entry in found["entries"]] == [0.5, 1, 1, 1]
    assert [entry["isRunning"] for entry in found["entries"]] == [False, False, False, True]
    assert found["entries"][1]["lostTime"] == "1970-01-04T00:00:00.000Z"
    assert found["availability"] == round(100 * 3.5 / 5.5, 2)
    assert entries([], 0, day, day) == {"entries": [], "totalRunningTime": 0, "availability": 0.0}
    # What came after the range is not in it.
    assert entries([Period(3 * day, None)], 0, day, 6 * day)["entries"] == []
