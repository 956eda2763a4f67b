"""What the tutorial does, by the command line against real processes: docs/tutorial.md."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from up_process import UpProcess

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"


def test_the_tutorial_from_a_failed_order_to_its_end(data: Path, tmp_path: Path) -> None:
    text = re.search(r"```json\n(.*?)```", TUTORIAL.read_text(), re.DOTALL)
    assert text is not None
    gate = tmp_path / "gate"
    file = tmp_path / "load.workflow.json"
    file.write_text(text[1].replace("/tmp/stellwerk-load-is-open", str(gate)))

    def stellwerk(*words: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "stellwerk.cli", *words],
            env={**os.environ, "STELLWERK_DATA": str(data)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    with UpProcess(data) as up:
        up.start()
        stellwerk("check", str(file))
        stellwerk("deploy", str(file))
        added = json.loads(stellwerk("order", "add", "/load", "-a", "date=2026-11-27", "--json").splitlines()[0])
        order_id = added["orderIds"][0] if isinstance(added, dict) else str(added)
        story = stellwerk("order", "watch", order_id, code=1)
        assert "Processed at 1, Failed, return code 3" in story
        assert story.rstrip().endswith("Failed at 1")
        log = stellwerk("log", order_id)
        assert "extracting 2026-11-27" in log and "the load is closed" in log

        gate.touch()
        stellwerk("order", "resume", order_id)
        up.api().wait_for(order_id, "SUCCESSFUL")
        story = stellwerk("order", "watch", order_id)
        assert story.index("Failed at 1") < story.index("Finished")
        rows = json.loads(stellwerk("history", "--json"))
        assert [(row["orderId"], row["outcome"]) for row in rows] == [(order_id, "SUCCESSFUL")]
        stellwerk("order", "add", "/load", code=1)  # the declared parameter is missing
        assert up.stop() == 0
