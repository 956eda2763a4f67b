"""The watchdog: a tiny process in a session of its own that kills an Agent's jobs when the Agent is killed.

It holds the read end of a pipe whose write end only the Agent has. The end of file, which also `kill -9` brings
about, means that the Agent is gone; then the survivors of its record are killed. After an orderly end there is no
record any more, and nothing to do.

It runs in a bare interpreter (`python -I -S -E`, some 5 MB of its own) and imports nothing heavy; `COMMAND` is how.
"""

from __future__ import annotations

import os
import signal
import sys

from stellwerk.agent.subagent.survivors import kill_survivors

#: `python -I -S -E -c COMMAND SOURCE_DIRECTORY RECORD AGENT`, standard input being the pipe.
COMMAND = (
    "import sys; sys.path.insert(0, sys.argv[1]); from stellwerk.agent.subagent.watchdog import main; "
    "main(sys.argv[2], sys.argv[3])"
)


def main(record_path: str, agent: str) -> None:
    # Whoever asks all processes of a terminal or a service to end does not ask us: we end with the Agent.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while os.read(0, 4096):
        pass
    attempts = kill_survivors(record_path, agent)
    if attempts:
        print(
            f"stellwerk watchdog: the Agent has been killed; its running jobs are ended: {len(attempts)} attempts",
            file=sys.stderr,
        )
