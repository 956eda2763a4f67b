"""Profiles: other installations that a person has logged in to, with their session tokens.

Kept in `profiles.json` in `$XDG_CONFIG_HOME/stellwerk` (default `~/.config/stellwerk`), which only its owner may read.
A password is never kept; a token ends with its session, some time after the last command.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path

import msgspec

from stellwerk.cli.output import CommandError
from stellwerk.values.json import encode

#: Names the profile that commands use; the option `--profile` wins over it.
VARIABLE = "STELLWERK_PROFILE_NAME"
DEFAULT_NAME = "default"
_option: ContextVar[str | None] = ContextVar("profile", default=None)


def use_profile(name: str) -> None:
    """What the option `--profile` says, for the command that follows."""
    _option.set(name)


def named_profile() -> str | None:
    """The name that the option or the environment gives."""
    return _option.get() or os.environ.get(VARIABLE) or None


class Profile(msgspec.Struct, frozen=True, omit_defaults=True):
    """One installation. `controller_id`: of the Controller that commands mean."""

    url: str
    account: str
    token: str
    controller_id: str = "controller"


class Profiles(msgspec.Struct, frozen=True):
    """`current`: the profile that was logged in to last."""

    profiles: dict[str, Profile] = {}
    current: str | None = None

    def chosen(self, name: str | None) -> tuple[str, Profile] | None:
        """The profile of a name; without one the current one. Raises `CommandError` for an unknown name."""
        if name:
            if name not in self.profiles:
                known = ", ".join(sorted(self.profiles)) or "there is none"
                raise CommandError(f"unknown profile '{name}'; known: {known}", "stellwerk login URL --profile NAME")
            return name, self.profiles[name]
        if self.current is not None and self.current in self.profiles:
            return self.current, self.profiles[self.current]
        return None

    def having(self, name: str, profile: Profile) -> Profiles:
        return Profiles({**self.profiles, name: profile}, name)

    def without(self, name: str) -> Profiles:
        left = {other: profile for other, profile in self.profiles.items() if other != name}
        return Profiles(left, None if self.current == name else self.current)


def profiles_file() -> Path:
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "stellwerk" / "profiles.json"


def read_profiles() -> Profiles:
    """Raises `CommandError` for a file that others may read, or that cannot be read."""
    file = profiles_file()
    try:
        with file.open("rb") as opened:
            if stat.S_IMODE(os.fstat(opened.fileno()).st_mode) & 0o077:
                raise CommandError(f"{file} can be read by others", f"chmod 600 {file}")
            return msgspec.json.decode(opened.read(), type=Profiles)
    except FileNotFoundError:
        return Profiles()
    except (OSError, msgspec.MsgspecError) as error:
        raise CommandError(f"{file}: {error}", "delete it and log in again") from error


def write_profiles(profiles: Profiles) -> None:
    """Whole or not at all."""
    file = profiles_file()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as opened:
            opened.write(encode(profiles))
        os.replace(partial, file)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()
