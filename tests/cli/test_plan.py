"""`stellwerk plan`, `plan diff`, `calendar`, `schedule` with files: no installation is needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from stellwerk.cli.main import app
from stellwerk.cli.output import CommandError

WORKDAYS = {
    "type": "WORKINGDAYSCALENDAR",
    "includes": {"weekdays": [{"days": [1, 2, 3, 4, 5]}]},
    "excludes": {"nonWorkingDayCalendars": ["holidays"]},
}
HOLIDAYS = {"type": "NONWORKINGDAYSCALENDAR", "includes": {"dates": ["2026-05-01"]}}
SPAN = ["--from", "2026-04-29", "--to", "2026-05-04"]


def schedule(time: str, zone: str = "Etc/UTC") -> dict[str, Any]:
    assignment = {"calendarName": "workdays", "timeZone": zone, "periods": [{"singleStart": time}]}
    return {"workflowNames": ["LOAD"], "planOrderAutomatically": True, "calendars": [assignment]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "plans"
    (made / "days").mkdir(parents=True)
    write(made / "days" / "workdays.calendar.json", WORKDAYS)
    write(made / "days" / "holidays.calendar.json", HOLIDAYS)
    write(made / "nightly.schedule.json", schedule("02:00"))
    return made


def write(file: Path, content: Any) -> Path:
    file.write_text(json.dumps(content))
    return file


def output(*arguments: Any) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def answer(*arguments: Any) -> Any:
    return json.loads(output(*arguments, "--json"))


def test_a_plan_of_files(folder: Path) -> None:
    found = answer("plan", "--files", folder, *SPAN)["starts"]
    assert [item["start"] for item in found] == [
        "2026-04-29T02:00:00Z",
        "2026-04-30T02:00:00Z",
        "2026-05-04T02:00:00Z",
    ]
    assert found[0] == {
        "date": "2026-04-29",
        "start": "2026-04-29T02:00:00Z",
        "schedule": "nightly",
        "orderName": "nightly",
        "workflow": "LOAD",
        "cyclic": False,
    }


def test_a_month_is_drawn_with_the_number_of_starts(folder: Path) -> None:
    lines = output("plan", "--files", folder, *SPAN).splitlines()
    april = lines.index("April 2026")
    assert lines[april + 1].split() == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    # The last days of April: Monday and Tuesday were not asked for.
    assert lines[lines.index("May 2026") - 2].split() == [".", ".", "29:1", "30:1"]
    assert lines[lines.index("May 2026") + 2].split() == ["1", "2", "3"]
    assert lines[lines.index("May 2026") + 3].split()[0] == "4:1"


def test_what_a_change_would_change(folder: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed"
    changed.mkdir()
    write(changed / "nightly.schedule.json", schedule("03:00"))
    changes = answer("plan", "diff", changed, "--against", folder, "--from", "2026-04-30", "--to", "2026-04-30")
    assert [(item["change"], item["start"]) for item in changes["changes"]] == [
        ("-", "2026-04-30T02:00:00Z"),
        ("+", "2026-04-30T03:00:00Z"),
    ]
    # A calendar's change is seen through the schedules that use it.
    holiday = write(tmp_path / "holidays.calendar.json", {**HOLIDAYS, "includes": {"dates": ["2026-04-30"]}})
    changes = answer("plan", "diff", holiday, "--against", folder, *SPAN)
    assert [(item["change"], item["date"]) for item in changes["changes"]] == [
        ("-", "2026-04-30"),
        ("+", "2026-05-01"),
    ]
    assert "nothing changes" in output("plan", "diff", folder, "--against", folder, *SPAN)


def test_the_dates_of_a_calendar(folder: Path) -> None:
    file = folder / "days" / "workdays.calendar.json"
    found = answer("calendar", file, *SPAN)
    assert found == {"dates": ["2026-04-29", "2026-04-30", "2026-05-04"], "withExcludes": ["2026-05-01"]}
    drawn = output("calendar", file, *SPAN).splitlines()
    assert drawn[drawn.index("May 2026") + 2].split() == ["1", "x", "2", "3"]
    assert "[4]" in drawn[drawn.index("May 2026") + 3]


def test_the_starts_of_a_schedule_in_its_time_zone(folder: Path) -> None:
    file = write(folder / "berlin.schedule.json", schedule("02:00", "Europe/Berlin"))
    found = answer("schedule", file, "--folder", folder / "days", *SPAN)["starts"]
    assert [item["start"] for item in found][:1] == ["2026-04-29T00:00:00Z"]
    assert {item["schedule"] for item in found} == {"berlin"}


@pytest.mark.parametrize(
    "arguments, text",
    [
        (["plan", "--files", "{folder}", "--from", "1.5.2026"], "1.5.2026"),
        (["plan", "--files", "{folder}", "--from", "2026-05-02", "--to", "2026-05-01"], "no days"),
        (["plan", "--files", "{folder}/none"], "does not exist"),
        (["calendar", "{folder}/nightly.schedule.json"], "is no calendar"),
        (["schedule", "{folder}/days/workdays.calendar.json"], "is no schedule"),
        (["plan", "--files", "{folder}/nightly.schedule.json"], "workdays"),
    ],
)
def test_what_cannot_be_told_is_said(folder: Path, arguments: list[str], text: str) -> None:
    with pytest.raises(CommandError) as caught:
        output(*(argument.format(folder=folder) for argument in arguments))
    assert text in str(caught.value)


def test_a_damaged_file_is_named(folder: Path) -> None:
    write(folder / "damaged.schedule.json", {"workflowNames": 3})
    with pytest.raises(CommandError) as caught:
        output("plan", "--files", folder)
    assert "damaged.schedule.json" in str(caught.value) and "$.workflowNames" in str(caught.value)
