"""The watchdog: a tiny process in a session of its own that kills an Agent's jobs when the Agent is killed.

It holds the read end of a pipe whose write end only the Agent has. The end of file, which also `kill -9` brings
about, means that the Agent is gone; then the survivors of its record are killed. After an orderly end there is no
record any more, and nothing to do.

Through the pipe come leases, eight bytes each (`LEASE`): until when the jobs may run, unless a later one comes in time.
So they end also when the Agent stands still (SIGSTOP), or has no way any more to know that it is the active one.

It runs in a bare interpreter (`python -I -S -E`, some 5 MB of its own) and imports nothing heavy; `COMMAND` is how.
"""

from __future__ import annotations

import math
import os
import select
import signal
import struct
import sys
import time

from stellwerk.agent.subagent.attempt_record import read_entries
from stellwerk.agent.subagent.survivors import end_survivors, kill_survivors

#: A lease as it comes through the pipe: seconds of the monotonic clock; infinite: without limit.
LEASE = struct.Struct("d")

#: `python -I -S -E -c COMMAND SOURCE_DIRECTORY RECORD AGENT`, standard input being the pipe.
COMMAND = (
    "import sys; sys.path.insert(0, sys.argv[1]); from stellwerk.agent.subagent.watchdog import main; "
    "main(sys.argv[2], sys.argv[3])"
)


def main(record_path: str, agent: str) -> None:
    # Whoever asks all processes of a terminal or a service to end does not ask us: we end with the Agent.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    poll = select.poll()
    poll.register(0, select.POLLIN)
    until = math.inf
    while True:
        seconds = until - time.monotonic()
        if poll.poll(None if until == math.inf else max(0.0, seconds) * 1000):
            data = os.read(0, 4096)
            if not data:
                break
            (until,) = LEASE.unpack(data[-LEASE.size :])  # whole ones: short writes to a pipe are not divided
        elif time.monotonic() >= until:
            until = math.inf  # until the Agent comes back, it starts nothing
            _tell("its lease has run out", end_survivors(read_entries(record_path), agent))
    _tell("it has been killed", kill_survivors(record_path, agent))


def _tell(reason: str, attempts: list[str]) -> None:
    if attempts:
        print(f"stellwerk watchdog: the Agent: {reason}; {len(attempts)} running jobs are ended", file=sys.stderr)
