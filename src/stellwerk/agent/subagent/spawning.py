"""Starting a program by `os.posix_spawn`: session of its own, default signals, no descriptor but 0, 1 and 2.

Blocks until the new process runs its program (some 0.4 ms). Never forks: a fork copies the page tables of the whole
Agent (performance 8.2). Knows neither attempts nor records.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import subprocess

from stellwerk.effects.processes import ProcessStart

#: Signals that we, or who has started us, may ignore; a job starts with the default action.
DEFAULT_SIGNALS = (
    signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE, signal.SIGTERM, signal.SIGCHLD,
    signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGXFSZ,
)  # fmt: skip
_SHELL = "/bin/sh"


def spawn(start: ProcessStart, environment: dict[str, str], stdout: int, stderr: int) -> int:
    """Start the program. Raises `OSError`; a script without `#!` runs with /bin/sh (workflow spec 4.2)."""
    arguments = list(start.arguments)
    if "/" not in arguments[0]:
        program = shutil.which(arguments[0], path=environment.get("PATH", os.defpath))
        if program is None:
            raise FileNotFoundError(errno.ENOENT, "No such program in PATH", arguments[0])
    else:
        program = arguments[0]
    try:
        return _spawn_program(program, arguments, environment, start.working_directory, stdout, stderr)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        arguments = [_SHELL, program, *arguments[1:]]
        return _spawn_program(_SHELL, arguments, environment, start.working_directory, stdout, stderr)


def _spawn_program(
    program: str,
    arguments: list[str],
    environment: dict[str, str],
    working_directory: str | None,
    stdout: int,
    stderr: int,
) -> int:
    if working_directory is not None:
        # posix_spawn cannot change the directory. `Popen` can, with vfork as long as there is no `preexec_fn`.
        popen = subprocess.Popen(
            arguments,
            executable=program,
            env=environment,
            cwd=working_directory,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        # We wait for the process ourselves; this keeps Popen from doing so.
        popen.returncode = 0
        return popen.pid
    return os.posix_spawn(
        program,
        arguments,
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, stdout, 1),
            (os.POSIX_SPAWN_DUP2, stderr, 2),
        ],
        setsid=True,
        setsigmask=[],
        setsigdef=DEFAULT_SIGNALS,
    )


def guard_descriptors() -> None:
    """Occupy 0, 1 and 2 if we were started without them, lest a pipe gets such a number; keep what we have inherited.

    Python opens nothing inheritable, but who has started us may have passed descriptors that are no job's business.
    """
    while (descriptor := os.open("/dev/null", os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            # EBADF: the descriptor by which the directory was listed.
            with contextlib.suppress(OSError):
                os.set_inheritable(int(name), False)
