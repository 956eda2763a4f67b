"""The commands `stellwerk notify …`: their options. What they do is in `notify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stellwerk.cli.options import Account, Home, Json, Url, in_session

notify_app = typer.Typer(no_args_is_help=True, help="Alerts: list, acknowledge, mute; channels: test them.")

Ids = Annotated[list[int], typer.Argument(help="numbers of alerts, as list shows them")]
Comment = Annotated[str, typer.Option(help="a word to others, and for the audit log")]
Channel = Annotated[str, typer.Argument(help="name of the channel's fragment in the configuration")]


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    app.add_typer(notify_app, name="notify")


@notify_app.command("list")
def list_(
    filter_: Annotated[
        str, typer.Option("--filter", help="e.g. 'state:resolved workflow:/etl/* changed:>-24h'")
    ] = "-state:resolved",
    limit: Annotated[int, typer.Option(help="at most so many")] = 100,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """List alerts, the newest first; without --filter those that are not resolved."""
    from stellwerk.cli import notify

    in_session(data, url, account, lambda c: notify.list_alerts(c, filter_, limit, json))


@notify_app.command()
def show(
    alert: Annotated[int, typer.Argument(help="number of the alert")],
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Show one alert: when it happened, to whom it was sent."""
    from stellwerk.cli import notify

    in_session(data, url, account, lambda c: notify.show_alert(c, alert, json))


@notify_app.command()
def acknowledge(
    alerts: Ids,
    comment: Comment = "",
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Say that somebody takes care."""
    from stellwerk.cli import notify

    in_session(data, url, account, lambda c: notify.change(c, "acknowledge", alerts, comment, json))


@notify_app.command()
def resolve(
    alerts: Ids,
    comment: Comment = "",
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Say that it is over."""
    from stellwerk.cli import notify

    in_session(data, url, account, lambda c: notify.change(c, "resolve", alerts, comment, json))


@notify_app.command()
def mute(
    alerts: Ids,
    for_: Annotated[str, typer.Option("--for", help="how long: 30m, 4h, 2d; off: no longer")],
    comment: Comment = "",
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Send nobody anything of these alerts for a while."""
    from stellwerk.cli import notify

    until = notify.until_ms(for_)
    in_session(data, url, account, lambda c: notify.change(c, "mute", alerts, comment, json, until))


@notify_app.command()
def channels(data: Home = Path("data"), url: Url = None, account: Account = None, json: Json = False) -> None:
    """List channels and how their messages fare."""
    from stellwerk.cli import notify

    in_session(data, url, account, lambda c: notify.list_channels(c, json))


@notify_app.command()
def test(
    channel: Channel, data: Home = Path("data"), url: Url = None, account: Account = None, json: Json = False
) -> None:
    """Send a test message by a channel."""
    from stellwerk.cli import notify

    in_session(data, url, account, lambda c: notify.test_channel(c, channel, json))


@notify_app.command()
def retry(
    channel: Channel, data: Home = Path("data"), url: Url = None, account: Account = None, json: Json = False
) -> None:
    """Send again what a channel has not taken, dead letters too."""
    from stellwerk.cli import notify

    in_session(data, url, account, lambda c: notify.retry_channel(c, channel, json))


@notify_app.command()
def configuration(data: Home = Path("data"), url: Url = None, account: Account = None, json: Json = False) -> None:
    """Print the notification configuration that is in force."""
    from stellwerk.cli import notify

    in_session(data, url, account, lambda c: notify.show_configuration(c, json))


@notify_app.command()
def release(
    file: Annotated[Path, typer.Argument(help="an XML file")],
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Put a notification configuration in force."""
    from stellwerk.cli import notify

    in_session(data, url, account, lambda c: notify.release(c, file, json))
