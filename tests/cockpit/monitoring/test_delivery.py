"""Messages reach their receivers: real HTTP and SMTP servers, away for a while, Cockpits stopped in between."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import sys
from collections.abc import AsyncIterator
from email import message_from_bytes
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from authority import Authority
from monitoring_samples import configuration, rule
from monitoring_world import LIMIT_SECONDS, MonitoringWorld, begins, ends, fails, order, processed, starts, until
from sqlalchemy import select, update
from tests.cockpit.conftest import cockpit_configuration, logged_in
from tests.cockpit.monitoring.conftest import quick

from stellwerk.cockpit.application import Cockpit
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.monitoring import mon_outbox
from stellwerk.cockpit.monitoring.delivery import DEAD, SENT, WAITING

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Receiver:
    """A webhook's receiver at a port that stays the same; `answers` are given first, then 200."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.answers: list[int] = []
        self.port = 0
        self._arrived = asyncio.Event()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def up(self) -> None:
        application = web.Application()
        application.router.add_post("/hook", self._take)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]

    async def down(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _take(self, request: web.Request) -> web.Response:
        self.got.append((request.headers["Idempotency-Key"], await request.json()))
        self._arrived.set()
        return web.Response(status=self.answers.pop(0) if self.answers else 200, text="said so")

    async def until(self, count: int) -> list[tuple[str, dict[str, Any]]]:
        async with asyncio.timeout(LIMIT_SECONDS):
            while len(self.got) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return self.got


@pytest_asyncio.fixture(loop_scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    await receiver.up()
    yield receiver
    await receiver.down()


def webhook(receiver: Receiver, *, types: str = "ERROR", system: str = "") -> str:
    """Of orders to the channel `chat`."""
    return configuration(
        system + rule("n1", types=types, monitors='<WebhookFragmentRef ref="chat"/>'),
        monitors=f'<WebhookFragment name="chat" url="{receiver.url}"><MessageRef ref="M"/></WebhookFragment>',
        messages='<Message name="M">${MON_O_WORKFLOW_PATH} ${MON_O_ORDER_ID}: ${MON_O_ERROR_TEXT}</Message>',
    )


async def test_an_error_and_the_recovery_reach_a_webhook(world: MonitoringWorld, receiver: Receiver) -> None:
    await world.release(webhook(receiver))
    await world.tell(*begins(), *fails(message='"disk" </full>'))
    [(message_id, body)] = await receiver.until(1)
    assert body["id"] == message_id and body["subject"] == "ERROR: order in /nightly"
    assert body["text"] == '/nightly A: "disk" </full>'
    assert body["values"]["MON_O_ERROR_TEXT"] == '"disk" </full>'
    await world.tell(order("OrderResumed"), starts(), processed(0), *ends())
    (_, _), (_, body) = await receiver.until(2)
    assert body["values"]["MON_N_STATUS"] == "RECOVERED"
    failed = (await world.notifications(types=["ERROR"]))[-1]
    assert failed["hasMonitors"]
    request = {"controllerId": world.controller_id, "notificationId": failed["notificationId"]}
    [sent] = (await world.client.post("monitoring/notification", request))["notification"]["monitors"]
    assert (sent["name"], sent["messageId"], sent["type"]) == ("chat", message_id, "WEBHOOK")
    assert [alert["channels"] for alert in await world.alerts()] == [{"chat": "sent"}]


async def test_a_receiver_that_is_away_gets_all_messages_when_it_is_back(
    world: MonitoringWorld, receiver: Receiver
) -> None:
    await world.release(webhook(receiver))
    before = len(await world.outbox())
    await receiver.down()
    for key in "ABC":
        await world.tell(*begins(key), *fails(key))
    rows = await world.until_outbox(
        lambda rows: len(rows) == before + 3 and all(row.attempts >= 2 for row in rows[before:])
    )
    rows = rows[before:]
    assert all(row.state == WAITING and "not reachable" in row.error_text for row in rows)
    receiver.answers = [500]
    await receiver.up()
    got = await receiver.until(4)
    assert {message_id for message_id, _ in got} == {row.message_id for row in rows}, "sent again with the same id"
    await world.until_outbox(lambda rows: {row.state for row in rows[before:]} == {SENT})


async def test_a_cockpit_is_killed_while_the_receiver_is_away_and_the_next_one_sends(
    world: MonitoringWorld, receiver: Receiver, tmp_path: Path
) -> None:
    """A real process, kill -9: its database is all that the next one needs."""
    settings = quick(cockpit_configuration(tmp_path, f"sqlite:///{tmp_path / 'own.sqlite'}"))
    first = Cockpit(settings)
    await first.start()
    async with aiohttp.ClientSession() as session:
        own = MonitoringWorld(first, await logged_in(session, first))
        await own.workflow()
        await own.release(webhook(receiver))
        await receiver.down()
        await own.tell(*begins(), *fails())
        await own.settle()
        [row] = await own.outbox()
    await first.stop()
    (tmp_path / "cockpit.toml").write_text(
        f'port = 0\ndatabase_url = "{settings.database_url}"\ndelivery_pauses_seconds = [0.05]\n'
    )
    database = await Database.open(str(settings.database_url))

    async def tried_again() -> bool:
        async with database.read() as connection:
            found = (await connection.execute(select(mon_outbox.c.attempts, mon_outbox.c.state))).one()
        assert found.state == WAITING
        return int(found.attempts) > int(row.attempts) + 2

    killed = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "stellwerk.cli", "cockpit", "--data", str(tmp_path), stdout=asyncio.subprocess.DEVNULL
    )
    await until(tried_again)
    killed.kill()
    await killed.wait()
    await receiver.up()
    following = Cockpit(settings)
    await following.start(listen=False)
    [(message_id, _)] = await receiver.until(1)
    assert message_id == row.message_id

    async def is_sent() -> bool:
        async with database.read() as connection:
            return int((await connection.execute(select(mon_outbox.c.state))).scalar_one()) == SENT

    await until(is_sent)
    await following.stop()
    await database.close()


async def test_a_message_that_is_given_up_is_a_dead_letter_that_an_alert_tells_of(
    world: MonitoringWorld, receiver: Receiver
) -> None:
    system = (
        '<SystemNotification><NotificationMonitors><WebhookFragmentRef ref="chat"/></NotificationMonitors>'
        "</SystemNotification>"
    )
    await world.release(webhook(receiver, system=system))
    await receiver.down()
    await world.tell(*begins(), *fails())
    await world.settle()
    row = (await world.outbox())[-1]
    async with world.cockpit.database.write() as connection:  # as if it had waited for two days
        await connection.execute(
            update(mon_outbox)
            .where(mon_outbox.c.id == row.id)
            .values(created=row.created - 2 * 86_400_000, due=row.created)
        )
    await world.until_outbox(lambda rows: rows[-1].state == DEAD)

    async def told() -> list[Any]:
        await world.monitor.look()
        return [item for item in await world.system() if item["source"] == "chat"]

    found = await until(told)
    assert found[0]["message"].startswith("Messages of channel chat could not be delivered: chat is not reachable")
    assert (await world.outbox())[-1].id == row.id, "the channel that fails is not told of it"
    [channel] = [item for item in (await world.client.get("stellwerk/channels"))["channels"] if item["name"] == "chat"]
    assert channel["isConfigured"] and channel["dead"] == 1 and "not reachable" in channel["lastError"]
    await receiver.up()
    await world.client.post("stellwerk/channels/retry", {"name": "chat"})
    await receiver.until(1)

    async def is_resolved() -> bool:
        await world.monitor.look()
        return not (await world.client.get("stellwerk/alerts", q="kind:channel -state:resolved"))["rows"]

    await until(is_resolved)


async def test_a_muted_alert_is_counted_and_nobody_is_told(world: MonitoringWorld, receiver: Receiver) -> None:
    await world.release(webhook(receiver))
    await world.tell(*begins("A"), *fails("A"))
    await receiver.until(1)
    [alert] = await world.alerts("kind:failed")
    until = world.cockpit.clock.now_ms() + 3_600_000
    await world.client.post("stellwerk/alerts/mute", {"ids": [alert["id"]], "until": until})
    await world.tell(*begins("B"), *fails("B"))
    [alert] = await world.alerts("kind:failed")
    assert alert["count"] == 2
    await world.client.post("stellwerk/alerts/mute", {"ids": [alert["id"]]})
    await world.tell(*begins("C"), *fails("C"))
    (_, _), (_, body) = await receiver.until(2)
    assert body["values"]["MON_O_ORDER_ID"] == "C"


async def test_a_channel_can_be_tested(world: MonitoringWorld, receiver: Receiver) -> None:
    await world.release(webhook(receiver))
    good = await world.client.post("stellwerk/channels/test", {"name": "chat"})
    assert good["ok"] and receiver.got[0][0] == good["messageId"]
    await receiver.down()
    bad = await world.client.post("stellwerk/channels/test", {"name": "chat"})
    assert not bad["ok"] and "not reachable" in bad["error"]
    answer = await world.client.post("stellwerk/channels/test", {"name": "none"}, status=420)
    assert "it has: chat" in answer["error"]["message"]


# --- mail


class Mailbox:
    """A real SMTP server."""

    def __init__(self, **options: Any) -> None:
        self.mails: list[Any] = []
        self.recipients: list[list[str]] = []
        self.logins: list[str] = []
        self._options = options

    def _login(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append(data.login.decode())
        return AuthResult(success=data.password == b"secret")

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append(message_from_bytes(envelope.content))
        self.recipients.append(envelope.rcpt_tos)
        return "250 taken"

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[int]:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: SMTP(self, authenticator=self._login, hostname="mail", **self._options), "127.0.0.1", 0
        )
        async with server:
            yield server.sockets[0].getsockname()[1]


def mails(job_resource: str = "eMailDefault") -> str:
    fragment = (
        f'<MailFragment name="ops" job_resources="{job_resource}"><MessageRef ref="M"/>'
        "<Subject>${MON_N_TYPE} ${MON_O_WORKFLOW_NAME}</Subject>"
        "<To>ops@example.com; boss@example.com</To></MailFragment>"
    )
    return configuration(
        rule("n1", types="ERROR", monitors='<MailFragmentRef ref="ops"/>'),
        monitors=fragment,
        messages='<Message name="M">Order ${MON_O_ORDER_ID}: ${MON_O_ERROR_TEXT}</Message>',
    )


async def mail_server(world: MonitoringWorld, port: int, **more: str) -> None:
    """Deploy the job resource that says where the mail server is."""
    variables = {"mail.smtp.host": "127.0.0.1", "mail.smtp.port": str(port), "from": "stellwerk@example.com", **more}
    item = {
        "TYPE": "JobResource",
        "path": "eMailDefault",
        "variables": {name: f"'{value}'" for name, value in variables.items()},
    }
    await world.tell({"TYPE": "SignedItemAdded", "signed": {"string": json.dumps(item)}})


async def until_mail(mailbox: Mailbox) -> Any:
    async def look() -> list[Any]:
        return mailbox.mails

    return (await until(look))[0]


async def test_a_mail_is_sent_with_the_server_of_a_job_resource(world: MonitoringWorld) -> None:
    mailbox = Mailbox(auth_require_tls=False)
    async with mailbox.running() as port:
        await mail_server(world, port, **{"mail.smtp.user": "anna", "mail.smtp.password": "secret"})
        await world.release(mails())
        await world.tell(*begins(), *fails(message="größer als erlaubt"))
        mail = await until_mail(mailbox)
    assert mail["Subject"] == "ERROR nightly" and mail["From"] == "stellwerk@example.com"
    assert mail.get_payload(decode=True).decode().strip() == "Order A: größer als erlaubt"
    assert mailbox.recipients == [["ops@example.com", "boss@example.com"]] and mailbox.logins == ["anna"]
    row = [row for row in await world.outbox() if row.kind == "MAIL"][-1]
    assert mail["Message-ID"] == f"<{row.message_id}@stellwerk>"


async def test_mail_over_tls_is_checked_against_the_authorities(world: MonitoringWorld, tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority.pem("mail", "localhost"))
    mailbox = Mailbox(tls_context=context, require_starttls=True)
    async with mailbox.running() as port:
        starttls = {"mail.smtp.starttls.enable": "true", "mail.smtp.host": "localhost"}
        await mail_server(world, port, **starttls)
        await world.release(mails())
        answer = await world.client.post("stellwerk/channels/test", {"name": "ops"})
        assert not answer["ok"] and "CERTIFICATE_VERIFY_FAILED" in answer["error"]
        await mail_server(world, port, **starttls, **{"mail.smtp.ssl.cafile": str(authority.path)})
        answer = await world.client.post("stellwerk/channels/test", {"name": "ops"})
        assert answer["ok"], answer
    assert len(mailbox.mails) == 1


async def test_a_mail_without_a_server_says_what_is_missing(world: MonitoringWorld) -> None:
    await world.release(mails("noSuchResource"))
    answer = await world.client.post("stellwerk/channels/test", {"name": "ops"})
    assert answer["error"] == "mail.smtp.host is not set in job resource noSuchResource, or that is not deployed"
