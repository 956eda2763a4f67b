"""All settings with their types and defaults (cockpit-services 4.3, 8), and what is a value of each type. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

_COMMENTS = (
    "System maintenance;Repeat execution;Business requirement;Restart failed execution;Re-instantiate stopped object;"
    "Temporary stop;Change of Controller object;Rerun with parameter changes;Change of external dependency;"
    "Application deployment and upgrade"
)
#: Views that can be shown or hidden for everybody.
VIEWS = (
    "dashboard",
    "dailyplan",
    "workflows",
    "resources",
    "history",
    "auditlog",
    "configuration",
    "filetransfer",
    "monitor",
    "report",
)


class Entry(msgspec.Struct, frozen=True):
    """One setting. `default` is its text (None: nothing set); `values` the choices of a LIST."""

    default: str | None = ""
    type: str = "STRING"
    values: tuple[str, ...] = ()
    children: Mapping[str, Entry] = {}


def _duration(default: str) -> Entry:
    return Entry(default, "DURATION")


def _boolean(default: str | None = "false") -> Entry:
    return Entry(default, "BOOLEAN")


def _count(default: str, *, is_positive: bool = False) -> Entry:
    return Entry(default, "POSITIVEINTEGER" if is_positive else "NONNEGATIVEINTEGER")


def _repository(default: str) -> Entry:
    return Entry(default, "LIST", ("rollout", "local"))


#: Section → entry → what it is; the order is the `ordering` of the API.
SECTIONS: Mapping[str, Mapping[str, Entry]] = {
    "dailyplan": {
        "time_zone": Entry("Etc/UTC", "TIMEZONE"),
        "period_begin": Entry("00:00:00", "TIME"),
        "start_time": Entry("", "TIME"),
        "days_ahead_plan": _count("7"),
        "days_ahead_submit": _count("3"),
        "submit_orders_individually": _boolean(),
        "age_of_plans_to_be_closed_automatically": _count("1"),
        "projections_month_before": _count("2"),
        "projections_month_ahead": _count("6"),
    },
    "cleanup": {
        "time_zone": Entry("UTC", "TIMEZONE"),
        "period": Entry(None, "WEEKDAYS"),
        "period_begin": Entry("01:00", "TIME"),
        "period_end": Entry("04:00", "TIME"),
        "force_cleanup": Entry(
            "false",
            "BOOLEAN",
            children={"history_pause_duration": _duration("60s"), "history_pause_delay": _duration("30s")},
        ),
        "batch_size": _count("1000", is_positive=True),
        "max_pool_size": _count("8", is_positive=True),
        "order_history_age": _duration("90d"),
        "order_history_logs_age": _duration("90d"),
        "file_transfer_history_age": _duration("90d"),
        "daily_plan_history_age": _duration("30d"),
        "audit_log_age": _duration("90d"),
        "monitoring_history_age": _duration("1d"),
        "notification_history_age": _duration("1d"),
        "profile_age": _duration("365d"),
        "failed_login_history_age": _duration("90d"),
        "deployment_history_versions": _count("10"),
        "reporting_age": _duration("365d"),
        "approval_requests_age": _duration("7d"),
    },
    "identityService": {
        "idle_session_timeout": _duration("30m"),
        "initial_password": Entry("initial", "PASSWORD"),
        "minimum_password_length": _count("1", is_positive=True),
    },
    "lognotification": {
        "log_server_active": _boolean(),
        "log_server_port": _count("4245", is_positive=True),
        "log_server_max_messages_per_second": _count("1000", is_positive=True),
    },
    "joc": {
        "force_comments_for_audit_log": _boolean(),
        "comments_for_audit_log": Entry(_COMMENTS, "ARRAY"),
        "default_profile_account": Entry("root"),
        "enable_remember_me": _boolean("true"),
        "copy_paste_suffix": Entry("copy"),
        "copy_paste_prefix": Entry("copy"),
        "restore_suffix": Entry("restored"),
        "restore_prefix": Entry("restored"),
        "import_suffix": Entry("imported"),
        "import_prefix": Entry("imported"),
        "controller_connection_joc_password": Entry("JS7-JOC", "PASSWORD"),
        "controller_connection_history_password": Entry("JS7-History", "PASSWORD"),
        **{f"show_view_{view}": _boolean(None) for view in VIEWS},
        "display_folders_in_views": _boolean("true"),
        "encoding": Entry(None),
        "disable_warning_on_license_expiration": _boolean(),
        "log_ext_directory": Entry(),
        "log_ext_order_history": Entry(),
        "log_ext_order": Entry(),
        "log_ext_task": Entry(),
        "log_maximum_display_size": _count("10", is_positive=True),
        "log_applicable_size": _count("50", is_positive=True),
        "log_maximum_size": _count("50", is_positive=True),
        "joc_reverse_proxy_url": Entry(None),
        "allow_empty_arguments": _boolean(),
        "allow_undeclared_variables": _boolean(),
        "report_java_options": Entry("-Xmx64M"),
        "num_of_tags_displayed_as_order_id": _count("0"),
        "num_of_workflow_tags_displayed": _count("0"),
        "approval_requestor_role": Entry(),
        "workflows_requiring_approval": Entry("", "ARRAY"),
    },
    "git": {
        "git_hold_workflows": _repository("rollout"),
        "git_hold_resource_locks": _repository("rollout"),
        "git_hold_file_order_sources": _repository("rollout"),
        "git_hold_notice_boards": _repository("rollout"),
        "git_hold_script_includes": _repository("rollout"),
        "git_hold_job_templates": _repository("rollout"),
        "git_hold_job_resources": _repository("local"),
        "git_hold_calendars": _repository("local"),
        "git_hold_schedules": _repository("local"),
    },
    "kiosk": {"kiosk_role": Entry("kiosk"), **{f"kiosk_view_{view}": _count("0") for view in VIEWS}},
    "user": {"welcome_do_not_remind_me": _boolean(), "welcome_got_it": _boolean()},
}

_DURATION = re.compile(r"(-?\d{1,9})([smhdw]?)")
_TIME = re.compile(r"([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d)?")
_UNIT_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def duration_seconds(text: str) -> int:
    """`90s`, `30m`, `12h`, `30d`, `1w`; a bare number is seconds. Raises `ValueError`."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("must be a number with a unit s, m, h, d or w, e.g. 30m, or 0")
    return int(match[1]) * _UNIT_SECONDS[match[2]]


def _check_zone(text: str) -> None:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be a time zone, e.g. Europe/Berlin") from None


def _check_boolean(text: str) -> None:
    if text not in ("true", "false"):
        raise ValueError("must be true or false")


def _check_number(minimum: int) -> Callable[[str], None]:
    def check(text: str) -> None:
        if re.fullmatch(r"\d{1,9}", text) is None or int(text) < minimum:
            raise ValueError(f"must be a whole number from {minimum} to 999999999")

    return check


def _check_time(text: str) -> None:
    if text and _TIME.fullmatch(text) is None:
        raise ValueError("must be a time of day, e.g. 04:00 or 04:00:00")


def _check_weekdays(text: str) -> None:
    if text and not all(re.fullmatch(r"\s*[1-7]\s*", day) for day in text.split(",")):
        raise ValueError("must be numbers of weekdays, e.g. 1,2,7")


_CHECKS: Mapping[str, Callable[[str], object]] = {
    "TIMEZONE": _check_zone,
    "BOOLEAN": _check_boolean,
    "NONNEGATIVEINTEGER": _check_number(0),
    "POSITIVEINTEGER": _check_number(1),
    "TIME": _check_time,
    "WEEKDAYS": _check_weekdays,
    "DURATION": duration_seconds,
}


def check(entry: Entry, text: str) -> None:
    """Raises `ValueError` saying what a value of this entry must be."""
    if entry.type == "LIST" and text not in entry.values:
        raise ValueError(f"must be one of {', '.join(entry.values)}")
    if entry.type in _CHECKS:
        _CHECKS[entry.type](text)
