"""The channels: mail by SMTP, webhooks by HTTP, commands. Each sends one `Message` or raises `DeliveryError`.

Messages carry an id that stays the same when one is sent again, for receivers that want to drop doubles: the mail's
`Message-ID`, the header `Idempotency-Key`, the variable `STELLWERK_MESSAGE_ID`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import smtplib
import ssl
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from email.message import EmailMessage
from email.utils import formataddr, formatdate, getaddresses
from ipaddress import ip_address

import aiohttp

from stellwerk.cockpit.monitoring.messages import Message, environment
from stellwerk.values.json import encode

SECONDS = 30.0
#: A command that runs longer is killed with all that it has started.
COMMAND_SECONDS = 60.0
_OUTPUT_LENGTH = 2000
#: Of the Cockpit's own environment a command gets no more than this.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER", "LOGNAME")
_PRIORITIES = {"HIGHEST": "1", "HIGH": "2", "NORMAL": "3", "LOW": "4", "LOWEST": "5"}

#: Names of job resources and a Controller's id → their variables, later ones first.
Variables = Callable[[tuple[str, ...], str], Awaitable[Mapping[str, str]]]


class DeliveryError(Exception):
    """The message has not been taken. `is_final`: it never will be."""

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final


class Channels:
    """Sends."""

    def __init__(self, variables: Variables) -> None:
        self._variables = variables

    async def send(self, message: Message, message_id: str) -> None:
        """Raises `DeliveryError`."""
        match message.kind:
            case "MAIL":
                await self._mail(message, message_id)
            case "WEBHOOK":
                await self._webhook(message, message_id)
            case "COMMAND":
                await _command(message, message_id)
            case _:
                raise DeliveryError(f"there is no channel {message.kind}", is_final=True)

    async def _mail(self, message: Message, message_id: str) -> None:
        if not message.job_resources:
            text = f"MailFragment {message.name}: job_resources must name the job resource with the mail server"
            raise DeliveryError(text, is_final=True)
        variables = await self._variables(message.job_resources, message.controller_id)
        server, mail, recipients = mail_of(message, message_id, variables)
        await asyncio.to_thread(_submit, server, mail, recipients)

    async def _webhook(self, message: Message, message_id: str) -> None:
        body = {"id": message_id, "subject": message.subject, "text": message.text, "values": message.values}
        headers = {"Content-Type": "application/json", "Idempotency-Key": message_id}
        timeout = aiohttp.ClientTimeout(total=SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(message.url, data=encode(body), headers=headers, allow_redirects=False) as response,
            ):
                if response.status >= 300:
                    said = (await response.content.read(500)).decode("utf-8", "replace")
                    raise DeliveryError(f"{message.name} answered {response.status}: {said}")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise DeliveryError(f"{message.name} is not reachable: {type(error).__name__}: {error}") from error


class MailServer:
    """By the variables of a job resource, as the reference has them (cockpit-services 6.3)."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.host = variables.get("mail.smtp.host", "")
        self.user = variables.get("mail.smtp.user") or None
        self.password = variables.get("mail.smtp.password") or None
        self.is_tls = _is_true(variables, "mail.smtp.ssl.enable")
        self.wants_starttls = _is_true(variables, "mail.smtp.starttls.enable")
        self.needs_starttls = _is_true(variables, "mail.smtp.starttls.required")
        self.port = int(variables.get("mail.smtp.port") or (465 if self.is_tls else 25))
        self.authorities = variables.get("mail.smtp.ssl.cafile") or None

    @property
    def is_loopback(self) -> bool:
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def _is_true(variables: Mapping[str, str], name: str) -> bool:
    return variables.get(name, "").strip().lower() == "true"


def mail_of(
    message: Message, message_id: str, variables: Mapping[str, str]
) -> tuple[MailServer, EmailMessage, list[str]]:
    """The server, the mail and its envelope's recipients. Raises `DeliveryError`."""
    try:
        server = MailServer(variables)
    except ValueError:
        raise DeliveryError(f"mail.smtp.port: '{variables.get('mail.smtp.port')}' is no number") from None
    if not server.host:
        names = ", ".join(message.job_resources)
        raise DeliveryError(f"mail.smtp.host is not set in job resource {names}, or that is not deployed")
    sender = message.sender or variables.get("from") or "stellwerk@localhost"
    if (name := variables.get("from_name")) and message.sender is None:
        sender = formataddr((name, sender))
    heads = {header: getattr(message, header) or variables.get(header) or "" for header in ("to", "cc", "bcc")}
    recipients = [
        address for _, address in getaddresses([text.replace(";", ",") for text in heads.values()]) if address
    ]
    if not recipients:
        raise DeliveryError(
            f"MailFragment {message.name} has no recipients: give To, or a variable 'to'", is_final=True
        )
    mail = EmailMessage()
    mail["Message-ID"] = f"<{message_id}@stellwerk>"
    mail["Date"] = formatdate()
    mail["Subject"] = message.subject
    mail["From"] = sender
    for header in ("to", "cc"):
        if heads[header]:
            mail[header.title() if header == "to" else "CC"] = heads[header].replace(";", ",")
    if message.priority.upper() in _PRIORITIES and message.priority.upper() != "NORMAL":
        mail["X-Priority"] = _PRIORITIES[message.priority.upper()]
    subtype = message.content_type.partition("/")[2] or "plain"
    try:
        mail.set_content(message.text, subtype=subtype, charset=message.charset)
    except (UnicodeEncodeError, LookupError):  # what orders hold need not fit into the charset of the fragment
        mail.set_content(message.text, subtype=subtype, charset="UTF-8")
    return server, mail, recipients


def _submit(server: MailServer, mail: EmailMessage, recipients: list[str]) -> None:
    """In a thread."""
    context = ssl.create_default_context(cafile=server.authorities)
    try:
        connection: smtplib.SMTP
        if server.is_tls:
            connection = smtplib.SMTP_SSL(server.host, server.port, timeout=SECONDS, context=context)
        else:
            connection = smtplib.SMTP(server.host, server.port, timeout=SECONDS)
        with connection:
            connection.ehlo()
            offers = connection.has_extn("starttls")
            if not server.is_tls and (server.wants_starttls or server.needs_starttls or (offers and server.user)):
                connection.starttls(context=context)
                connection.ehlo()
            elif not server.is_tls and server.user and not server.is_loopback:
                raise DeliveryError("the mail server offers no TLS: the password is not sent in clear text")
            if server.user:
                connection.login(server.user, server.password or "")
            connection.send_message(mail, to_addrs=recipients)
    except smtplib.SMTPException as error:
        raise DeliveryError(f"mail server {server.host}:{server.port}: {error}") from error
    except OSError as error:
        raise DeliveryError(f"mail server {server.host}:{server.port} is not reachable: {error}") from error


async def _command(message: Message, message_id: str) -> None:
    """When the Cockpit stops, the command does, too: the next one starts it again."""
    started: list[subprocess.Popen[bytes]] = []
    try:
        await asyncio.to_thread(_run, message, message_id, started)
    except asyncio.CancelledError:
        for process in started:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        raise


def _run(message: Message, message_id: str, started: list[subprocess.Popen[bytes]]) -> None:
    """In a thread. The text of a shell command is what was configured, letter by letter; values are its environment."""
    arguments = list(message.arguments) or ["/bin/sh", "-c", message.command]
    own = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    try:
        process = subprocess.Popen(
            arguments,
            env=own | environment(message.values) | {"STELLWERK_MESSAGE_ID": message_id},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise DeliveryError(f"command {message.name} cannot be started: {error}") from error
    started.append(process)
    with process:
        try:
            output, _ = process.communicate(timeout=COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise DeliveryError(
                f"command {message.name} ran longer than {COMMAND_SECONDS:g} s and was killed"
            ) from None
    if process.returncode != 0:
        said = output.decode("utf-8", "replace").strip()[-_OUTPUT_LENGTH:]
        raise DeliveryError(f"command {message.name} ended with {process.returncode}: {said}")
