"""Texts of messages, and what must not happen with what orders hold (cockpit-services 6.3)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from monitoring_samples import NOW, task
from monitoring_world import until

from stellwerk.cockpit.monitoring import channels
from stellwerk.cockpit.monitoring.channels import Channels, DeliveryError, mail_of
from stellwerk.cockpit.monitoring.configuration import Monitor
from stellwerk.cockpit.monitoring.jobs import NO_SETTINGS, JobSettings
from stellwerk.cockpit.monitoring.messages import CockpitNames, Message, fill, message, order_values
from stellwerk.cockpit.monitoring.model import Range, Type
from stellwerk.cockpit.monitoring.rules import Finding

WAS_HERE = f"/tmp/stellwerk-was-here-{os.getpid()}"
NASTY = f'"; touch {WAS_HERE}; $(id) `id` ${{MON_O_WORKFLOW_PATH}} <b>\r\nBcc: evil@example.com'


def filled(monitor: Monitor, settings: JobSettings = NO_SETTINGS, **members: Any) -> Message:
    seen = task(is_error=True, message="disk full", **members)
    finding = Finding(Type.ERROR, Range.WORKFLOW_JOB)
    cockpit = CockpitNames("c1", "Cockpit", "https://cockpit:4446", "https://proxy")
    values = order_values(seen, finding, "prod", "/etl/nightly", settings, "n1", NOW, cockpit)
    return message(monitor, values, subject="subject", text="text", controller_id="prod", settings=settings)


def test_placeholders_have_values_and_unknown_ones_stay() -> None:
    text = (
        "${MON_O_WORKFLOW_NAME} ${JS7_MON_O_WORKFLOW_PATH} ${MON_OS_JOB_NAME} ${MON_OS_RETURN_CODE} "
        "${MON_OS_ERROR_TEXT} ${MON_OS_START_TIME} ${MON_OS_TIME_ELAPSED} ${MON_N_STATUS} "
        "${JOC_URI} ${NOT_KNOWN} ${MON_TIME_ZONE}"
    )
    found = filled(Monitor(kind="MAIL", name="m", message=text, time_zone="Europe/Berlin"))
    assert found.text == (
        "nightly /etl/nightly load 1 disk full 2023-11-14 23:13:10+0100 10 ERROR https://cockpit:4446 ${NOT_KNOWN} "
        "Europe/Berlin"
    )


def test_links_lead_to_the_order_and_its_log() -> None:
    found = filled(Monitor(kind="COMMAND", name="c", command="true"))
    assert found.values["JOC_HREF_ORDER"] == "https://cockpit:4446/ui/order/%232026-11-28%23P1-x"
    assert found.values["JOC_REVERSE_PROXY_HREF_JOB_LOG"] == "https://proxy/ui/log/task/5"


def test_a_value_that_looks_like_a_placeholder_is_left_alone() -> None:
    assert fill("${A}", {"A": "${B}", "B": "x"}) == "${B}"


def test_values_are_escaped_in_html_and_the_text_of_the_fragment_is_not() -> None:
    monitor = Monitor(kind="MAIL", name="m", content_type="text/html", message="<p>${MON_O_ORDER_ID}</p>")
    assert filled(monitor, order_id="<script>").text == "<p>&lt;script&gt;</p>"


def test_a_job_may_have_recipients_of_its_own() -> None:
    monitor = Monitor(kind="MAIL", name="m", to="ops@x", cc="boss@x")
    assert (filled(monitor).to, filled(monitor).cc) == ("ops@x", "boss@x")
    own = filled(monitor, JobSettings(mail_to="owner@x"))
    assert (own.to, own.cc) == ("owner@x", None)


def test_a_mail_cannot_be_given_headers_by_an_order() -> None:
    monitor = Monitor(kind="MAIL", name="m", subject="${MON_O_ORDER_ID}", to="ops@example.com", job_resources=("r",))
    found = filled(monitor, order_id=NASTY)
    _, mail, recipients = mail_of(found, "id1", {"mail.smtp.host": "localhost"})
    assert recipients == ["ops@example.com"] and mail["Bcc"] is None
    assert "\n" not in str(mail["Subject"]) and mail["Message-ID"] == "<id1@stellwerk>"


def test_mail_by_the_variables_of_job_resources() -> None:
    variables = {
        "mail.smtp.host": "smtp.example.com",
        "mail.smtp.ssl.enable": "true",
        "from": "stellwerk@example.com",
        "from_name": "Stellwerk, night",
        "to": "a@x;b@x",
        "bcc": "c@x",
    }
    server, mail, recipients = mail_of(filled(Monitor(kind="MAIL", name="m", priority="High")), "id", variables)
    assert (server.host, server.port, server.is_tls) == ("smtp.example.com", 465, True)
    assert recipients == ["a@x", "b@x", "c@x"]
    assert (mail["From"], mail["To"], mail["Bcc"]) == ('"Stellwerk, night" <stellwerk@example.com>', "a@x, b@x", None)
    assert mail["X-Priority"] == "2"


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({}, "mail.smtp.host is not set"),
        ({"mail.smtp.host": "h", "mail.smtp.port": "x"}, "'x' is no number"),
        ({"mail.smtp.host": "h"}, "has no recipients"),
    ],
)
def test_what_a_mail_lacks_is_said(variables: dict[str, str], why: str) -> None:
    with pytest.raises(DeliveryError, match=why):
        mail_of(filled(Monitor(kind="MAIL", name="m", job_resources=("r",))), "id", variables)


def test_a_text_that_does_not_fit_into_the_charset_is_sent_all_the_same() -> None:
    monitor = Monitor(kind="MAIL", name="m", to="a@x", charset="ISO-8859-1", message="日本 ${MON_O_ORDER_ID}")
    _, mail, _ = mail_of(filled(monitor), "id", {"mail.smtp.host": "h"})
    assert "日本" in mail.get_content()


async def no_variables(names: tuple[str, ...], controller_id: str) -> dict[str, str]:
    return {}


async def test_commands_get_values_as_they_are_and_no_shell_reads_them(tmp_path: Path) -> None:
    sender = Channels(no_variables)
    shell = Monitor(kind="COMMAND", name="c", command=f'printf %s "$JS7_MON_O_ORDER_ID" > {tmp_path}/shell')
    await sender.send(filled(shell, order_id=NASTY), "id")
    assert (tmp_path / "shell").read_bytes().decode() == NASTY
    arguments = ("/bin/sh", "-c", 'printf %s "$1" > "$2"', "sh", "${MON_O_ORDER_ID}", f"{tmp_path}/arguments")
    await sender.send(filled(Monitor(kind="COMMAND", name="c", arguments=arguments), order_id=NASTY), "id")
    assert (tmp_path / "arguments").read_bytes().decode() == NASTY
    # Placeholders in a shell's text are the shell's own variables.
    braces = Monitor(kind="COMMAND", name="c", command=f'printf %s "${{MON_O_ORDER_ID}}" > {tmp_path}/braces')
    await sender.send(filled(braces, order_id=NASTY), "id")
    assert (tmp_path / "braces").read_bytes().decode() == NASTY
    assert os.path.basename(WAS_HERE) not in os.listdir("/tmp")


async def test_a_command_has_no_secrets_of_the_cockpit_and_knows_its_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STELLWERK_SECRET", "s3cret")
    command = Monitor(kind="COMMAND", name="c", command=f"env > {tmp_path}/env")
    await Channels(no_variables).send(filled(command), "id-7")
    found = (tmp_path / "env").read_text()
    assert "STELLWERK_MESSAGE_ID=id-7" in found and "s3cret" not in found


def gone(pid: Path) -> Callable[[], Awaitable[bool]]:
    """Whether the process whose id stands in the file has ended."""
    state = Path("/proc") / pid.read_text().strip() / "stat"

    async def look() -> bool:
        try:
            return state.read_text().split()[2] == "Z"
        except (FileNotFoundError, ProcessLookupError):
            return True

    return look


async def test_a_command_that_fails_or_hangs_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sender = Channels(no_variables)
    with pytest.raises(DeliveryError, match="ended with 3: no paper"):
        await sender.send(filled(Monitor(kind="COMMAND", name="c", command="echo no paper; exit 3")), "id")
    with pytest.raises(DeliveryError, match="cannot be started"):
        await sender.send(filled(Monitor(kind="COMMAND", name="c", arguments=("/no/such/command",))), "id")
    monkeypatch.setattr(channels, "COMMAND_SECONDS", 1.0)
    hanging = f"sleep 300 & echo $! > {tmp_path}/pid; wait"
    with pytest.raises(DeliveryError, match="was killed"):
        await sender.send(filled(Monitor(kind="COMMAND", name="c", command=hanging)), "id")
    await until(gone(tmp_path / "pid"))  # what it has started goes with it


async def test_a_command_ends_with_the_cockpit(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    hanging = Monitor(kind="COMMAND", name="c", command=f"sleep 300 & echo $! > {pid}.new; mv {pid}.new {pid}; wait")
    sending = asyncio.create_task(Channels(no_variables).send(filled(hanging), "id"))

    async def is_running() -> bool:
        return pid.exists()

    await until(is_running)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await until(gone(pid))
